/** A real headless Chromium; CHROMIUM names another program than `chromium`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { after, before, type TestContext } from 'node:test'
import { ProcessGuard } from '../process-guard.js'
import { DevTools, DevToolsError } from './devtools.js'
import { Tab } from './tab.js'

const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--no-first-run',
  '--hide-scrollbars',
  '--remote-debugging-pipe',
]

class Browser implements AsyncDisposable {
  readonly #devTools: DevTools
  readonly #child: ChildProcess
  readonly #guard: ProcessGuard

  constructor(devTools: DevTools, child: ChildProcess, guard: ProcessGuard) {
    this.#devTools = devTools
    this.#child = child
    this.#guard = guard
  }

  /** Opens a tab with a profile of its own, and resolves when its document is loaded. `close` takes both away. */
  async open(url: string): Promise<{ tab: Tab; close(): Promise<unknown> }> {
    const { browserContextId } = await this.#devTools.send('Target.createBrowserContext')
    const { targetId } = await this.#devTools.send('Target.createTarget', { url: 'about:blank', browserContextId })
    const { sessionId } = await this.#devTools.send('Target.attachToTarget', { targetId, flatten: true })
    const tab = new Tab(this.#devTools, String(sessionId))
    await tab.start()
    await tab.goTo(url)
    return { tab, close: () => this.#devTools.send('Target.disposeBrowserContext', { browserContextId }) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended =
      this.#child.exitCode === null && this.#child.signalCode === null ? once(this.#child, 'exit') : undefined
    await this.#guard.release()
    await ended
  }
}

/**
 * For the top of a test file: starts a browser before its tests, and ends it after them, or with this process. Returns what opens
 * a tab until a test ends.
 */
export function browserForTests(): (t: TestContext, url: string) => Promise<Tab> {
  let browser: Browser | undefined
  before(async () => {
    browser = await startBrowser()
  })
  after(() => browser?.[Symbol.asyncDispose]())
  return async (t, url) => {
    if (browser === undefined) throw new DevToolsError('the browser has not been started')
    const { tab, close } = await browser.open(url)
    t.after(close)
    return tab
  }
}

async function startBrowser(): Promise<Browser> {
  const program = process.env.CHROMIUM ?? 'chromium'
  const profile = await mkdtemp(join(tmpdir(), 'chromium-'))
  const guard = new ProcessGuard(profile)
  const child = spawn(program, [...FLAGS, `--user-data-dir=${profile}`], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    // It makes a folder for a socket there, and does not remove it when it is killed.
    env: { ...process.env, TMPDIR: profile },
  })
  try {
    await once(child, 'spawn')
  } catch (error: unknown) {
    await guard.release()
    throw new DevToolsError(`${program} cannot be started; is it installed (apt-get install chromium)?`, {
      cause: error,
    })
  }
  if (child.pid !== undefined) guard.watch(child.pid)
  const [, , , output, input] = child.stdio
  if (!(output instanceof Writable && input instanceof Readable)) throw new DevToolsError('there are no pipes')
  return new Browser(new DevTools(input, output), child, guard)
}
