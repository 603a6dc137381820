// What test files in a worker import as `node:test`: keeps what they declare until `declare`, then hands it to the real one.
import { AsyncLocalStorage } from 'node:async_hooks'
import * as real from 'node:test'

export { mock } from 'node:test'

const inTest = new AsyncLocalStorage()
const kept = []
let wrap
let isDeclaring = false

/** What has been declared since the last call, to be handed to `declare`. */
export function taken() {
  return kept.splice(0)
}

/** In a suite `name`: the `declared`, each test function as `wrapTest(index, function)`, or left out where that is undefined. */
export function declare(name, declared, wrapTest) {
  let count = 0
  wrap = fn => wrapTest(count++, fn)
  isDeclaring = true
  const done = real.describe(name, () => {
    for (const each of declared) each()
  })
  isDeclaring = false
  return done
}

function later(action) {
  if (isDeclaring) return action()
  kept.push(action)
  return Promise.resolve()
}

export function test(...args) {
  const own = inTest.getStore()
  if (own !== undefined) return own.test(...args)
  return later(() => {
    const at = args.findIndex(arg => typeof arg === 'function')
    const wrapped = wrap(args[at])
    if (wrapped === undefined) return undefined
    return real.test(...args.with(at, t => inTest.run(t, () => wrapped(t))))
  })
}

export function describe(...args) {
  return later(() => real.describe(...args))
}

export const before = hook(real.before)
export const after = hook(real.after)
export const beforeEach = hook(real.beforeEach)
export const afterEach = hook(real.afterEach)
export { describe as suite, test as it }
// biome-ignore lint/style/noDefaultExport: node:test has one.
export default test

function hook(make) {
  return (...args) => void later(() => make(...args))
}
