// Runs test files in processes that are used again until one hangs, crashes, or has something left.
import { fork } from 'node:child_process'
import { ownGroup } from '../own-group.mjs'

// Modules that have been loaded stay in memory.
const GREATEST_RSS = 700 * 1024 * 1024

/** One at a time: `run` resolves before the next is asked for. `mutants`: the path of a list of all; `folder`: the URL of what is loaded anew. */
export class Runner {
  #mutants
  #folder
  #worker

  constructor(mutants, folder) {
    this.#mutants = mutants
    this.#folder = folder
  }

  /**
   * Resolves with `{ failure, begun }`: `failure` is undefined when all has passed, `begun` has the indexes of the tests that were begun. `mutant` is its place in the list;
   * with `only` the other tests of the file are left out, with `covers` comes what each test has run.
   */
  async run({ timeoutMs, ...request }) {
    this.#worker ??= await startWorker(this.#mutants, this.#folder)
    const answer = await ask(this.#worker, request, timeoutMs)
    if (answer.left.length > 0 || answer.rss > GREATEST_RSS) this.renew()
    return answer
  }

  /** The next run has a process of its own. */
  renew() {
    this.#worker?.end()
    this.#worker = undefined
  }
}

async function startWorker(mutants, folder) {
  const execArgv = [`--test-reporter=${new URL('./reporter.mjs', import.meta.url).href}`, '--no-warnings']
  const { child, end } = ownGroup(options => {
    const stdio = ['ignore', 'ignore', 'ignore', 'ipc']
    return fork(new URL('./worker.mjs', import.meta.url), [mutants, folder], { ...options, execArgv, stdio })
  })
  process.once('exit', end)
  child.on('exit', () => process.off('exit', end))
  await new Promise(resolve => child.once('message', resolve))
  return { child, end }
}

function ask({ child }, request, timeoutMs) {
  const begun = []
  return new Promise(resolve => {
    const finish = answer => {
      clearTimeout(timer)
      child.off('message', hear)
      child.off('exit', crash)
      resolve({ ...answer, begun })
    }
    const hear = message => (message.begun === undefined ? finish(message) : begun.push(message.begun))
    const crash = () => finish({ failure: 'the process has ended', left: ['a process'] })
    const timer = setTimeout(() => finish({ failure: 'out of time', left: ['a test'] }), timeoutMs)
    child.on('message', hear)
    child.on('exit', crash)
    child.send(request)
  })
}
