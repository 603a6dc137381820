import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SharedWork } from '../src/index.js'

const never = new AbortController().signal

function gated() {
  const runs: { readonly signal: AbortSignal; end(error?: Error): void }[] = []
  const shared = new SharedWork(signal => {
    return new Promise((resolve, reject) => {
      runs.push({ signal, end: error => (error === undefined ? resolve() : reject(error)) })
    })
  })
  return { runs, shared }
}

test('all who join while it runs share one run', async () => {
  const { runs, shared } = gated()
  const joined = [shared.join(never), shared.join(never)]
  assert.equal(runs.length, 1)
  runs[0]?.end()
  await Promise.all(joined)
  const next = shared.join(never)
  assert.equal(runs.length, 2)
  runs[1]?.end(new Error('broken'))
  await assert.rejects(next, /broken/)
})

test('it is aborted when the last one has gone, and not before', async () => {
  const { runs, shared } = gated()
  const [one, two] = [new AbortController(), new AbortController()]
  const first = shared.join(one.signal)
  const second = shared.join(two.signal)
  one.abort(new Error('one'))
  await assert.rejects(first, /one/)
  assert.equal(runs[0]?.signal.aborted, false)
  two.abort(new Error('two'))
  await assert.rejects(second, /two/)
  assert.equal(runs[0]?.signal.aborted, true)
  const late = shared.join(never)
  assert.equal(runs.length, 2, 'an aborted run is not joined')
  runs[1]?.end()
  await late
})

test('a run that ends late does not end the next one', async () => {
  const { runs, shared } = gated()
  const stop = new AbortController()
  const first = shared.join(stop.signal)
  stop.abort(new Error('gone'))
  await assert.rejects(first, /gone/)
  const second = shared.join(never)
  runs[0]?.end()
  await new Promise(resolve => setImmediate(resolve))
  const third = shared.join(never)
  assert.equal(runs.length, 2)
  runs[1]?.end()
  await Promise.all([second, third])
})

test('whoever has given up already begins nothing', async () => {
  const { runs, shared } = gated()
  await assert.rejects(shared.join(AbortSignal.abort(new Error('gone'))), /gone/)
  assert.equal(runs.length, 0)
})
