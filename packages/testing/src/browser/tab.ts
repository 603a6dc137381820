import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { waitFor } from '../wait-for.js'
import { type DevTools, DevToolsError } from './devtools.js'

/** How a page is looked at. */
export interface Look {
  /** In CSS pixels. */
  readonly width: number
  readonly scheme: 'light' | 'dark'
}

/** A phone's width and a screen's, light and dark. */
export const LOOKS: readonly Look[] = [390, 1280].flatMap(width => [
  { width, scheme: 'light' },
  { width, scheme: 'dark' },
])

const KEYS: Readonly<Record<string, { readonly code: number; readonly text?: string }>> = {
  Tab: { code: 9 },
  Enter: { code: 13, text: '\r' },
  Escape: { code: 27 },
  ' ': { code: 32, text: ' ' },
}
const SHIFT = 8

/** An outline, the browser's own or one of ours, in the window. */
const FOCUS_IS_SEEN = `(({ outlineStyle, outlineWidth }, { top, bottom }) =>
  (outlineStyle === 'auto' || (outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2)) &&
  bottom > 0 && top < innerHeight)(getComputedStyle(document.activeElement), document.activeElement.getBoundingClientRect())`

function focused(selector: string): string {
  return `(document.activeElement?.matches(${JSON.stringify(selector)}) ?? false)`
}

/** One tab of a browser. What is asked of its document are JavaScript expressions. */
export class Tab {
  /** Exceptions, errors on the console, and what its policy has refused; empty if all is well. Failed requests are not among them. */
  readonly problems: string[] = []
  readonly #devTools: DevTools
  readonly #session: string
  /** Of the document that is shown. */
  #axeWorld: unknown

  /** @internal Use `Browser.open`. */
  constructor(devTools: DevTools, session: string) {
    this.#devTools = devTools
    this.#session = session
  }

  /** @internal */
  async start(): Promise<void> {
    this.#devTools.on('Runtime.exceptionThrown', this.#session, fields => this.problems.push(JSON.stringify(fields)))
    this.#devTools.on('Log.entryAdded', this.#session, ({ entry }) => {
      const { level, source, text } = entry as {
        readonly level: string
        readonly source: string
        readonly text: string
      }
      if (level === 'error' && source !== 'network') this.problems.push(text)
    })
    this.#devTools.on('Runtime.consoleAPICalled', this.#session, ({ type, args }) => {
      if (type === 'error') this.problems.push(JSON.stringify(args))
    })
    for (const domain of ['Page', 'Runtime', 'Log']) await this.#send(`${domain}.enable`)
    await this.look({ width: 1280, scheme: 'light' })
  }

  /** Resolves when the document is loaded; rejects with DevToolsError when it cannot be. */
  async goTo(url: string): Promise<void> {
    const { errorText } = await this.#send('Page.navigate', { url })
    if (errorText !== undefined) throw new DevToolsError(`${url}: ${errorText}`)
    this.#axeWorld = undefined
    await this.waitFor('document.readyState === "complete" && location.href !== "about:blank"')
  }

  async look({ width, scheme }: Look): Promise<void> {
    const metrics = { width, height: 844, deviceScaleFactor: 1, mobile: width < 600 }
    await this.#send('Emulation.setDeviceMetricsOverride', metrics)
    await this.#send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] })
  }

  /** What the expression, or the promise that it is, comes to, as JSON. Rejects with DevToolsError when it throws. */
  evaluate(expression: string): Promise<unknown> {
    return this.#evaluate(expression)
  }

  /** Waits until the expression is true. */
  async waitFor(expression: string, deadlineMs?: number): Promise<void> {
    let text: unknown
    await waitFor(
      async () => {
        // While a document is being replaced there is none to ask.
        const isTrue = await this.#evaluate(`Boolean(${expression})`).catch(() => false)
        if (isTrue !== true) text = await this.#evaluate('document.body?.innerText').catch(() => '')
        return isTrue === true
      },
      {
        deadlineMs,
        describe: () => `${expression}; the page shows:\n${text}\nproblems: ${this.problems.join('\n')}\n`,
      },
    )
  }

  /** The text of the first element that fits, as it is shown. */
  async text(selector = 'body'): Promise<string> {
    return String(await this.#evaluate(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ''`))
  }

  /** Waits until the first element that fits shows a text that the pattern matches. */
  async shows(pattern: RegExp, selector = 'body'): Promise<void> {
    await this.waitFor(`${pattern}.test(document.querySelector(${JSON.stringify(selector)})?.innerText ?? '')`)
  }

  /** Clicks with the mouse in the middle of the first element that fits, once it is there. */
  async click(selector: string): Promise<void> {
    const element = await this.#usable(selector)
    const [x, y] = (await this.#evaluate(`(() => {
      ${element}.scrollIntoView({ block: 'center' })
      const { x, y, width, height } = ${element}.getBoundingClientRect()
      return [x + width / 2, y + height / 2]
    })()`)) as readonly [number, number]
    const event = { x, y, button: 'left', clickCount: 1 }
    await this.#send('Input.dispatchMouseEvent', { ...event, type: 'mousePressed' })
    await this.#send('Input.dispatchMouseEvent', { ...event, type: 'mouseReleased' })
  }

  /** Presses a key: `Tab`, `Enter`, `Escape` or a blank. */
  async press(key: string, { shift = false } = {}): Promise<void> {
    const { code, text } = KEYS[key] ?? { code: 0 }
    const event = { key, code: key === ' ' ? 'Space' : key, windowsVirtualKeyCode: code, modifiers: shift ? SHIFT : 0 }
    await this.#send('Input.dispatchKeyEvent', { ...event, type: text === undefined ? 'rawKeyDown' : 'keyDown', text })
    await this.#send('Input.dispatchKeyEvent', { ...event, type: 'keyUp' })
  }

  /** Types into what has the focus. */
  async type(text: string): Promise<void> {
    await this.#send('Input.insertText', { text })
  }

  /** Presses Tab until what has the focus fits; rejects when nothing of the first two hundred does, and when nobody sees that it has. */
  async tabTo(selector: string): Promise<void> {
    for (let presses = 0; presses < 200; presses += 1) {
      if (await this.#evaluate(focused(selector))) {
        if ((await this.#evaluate(FOCUS_IS_SEEN)) !== true)
          throw new DevToolsError(`nobody sees that ${selector} has the focus`)
        return
      }
      await this.press('Tab')
    }
    throw new DevToolsError(`Tab does not lead to ${selector}`)
  }

  /** Goes by Tab to what fits, once it can be used, and presses a key there. */
  async pressOn(selector: string, key = 'Enter'): Promise<void> {
    await this.#usable(selector)
    await this.tabTo(selector)
    await this.press(key)
  }

  /** Waits until what fits has the focus, and is seen to have it. */
  async hasFocus(selector: string): Promise<void> {
    await this.waitFor(`${focused(selector)} && ${FOCUS_IS_SEEN}`)
  }

  /** What axe-core finds to be wrong for people who cannot see or use a mouse, one line each; empty = nothing. */
  async accessibilityProblems(): Promise<string[]> {
    this.#axeWorld ??= await this.#loadAxe()
    const found = await this.#evaluate(
      `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.flatMap(({ id, help, nodes }) =>
        nodes.map(({ html, any, all, none }) => id + ': ' + help + ': ' + html + ' ' + [...any, ...all, ...none].map(({ message }) => message).join('; '))))`,
      this.#axeWorld,
    )
    return found as string[]
  }

  /** What is wider than the page, one line each; empty = nothing has to be scrolled sideways. */
  async overflowing(): Promise<string[]> {
    const found = await this.#evaluate(`(() => {
      const { clientWidth, scrollWidth } = document.documentElement
      const wide = [...document.body.querySelectorAll('*')].filter(element => {
        const isClipped = getComputedStyle(element).clipPath !== 'none' || element.closest('thead')
        return !isClipped && (element.getBoundingClientRect().right > clientWidth + 0.5 || element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0 && getComputedStyle(element).overflowX !== 'visible' && element.localName !== 'input')
      })
      const lines = wide.map(element => element.outerHTML.slice(0, 200))
      return scrollWidth > clientWidth ? ['the page: ' + scrollWidth + ' > ' + clientWidth, ...lines] : lines
    })()`)
    return found as string[]
  }

  /** What the page has the browser save lands in this folder. */
  async saveTo(folder: string): Promise<void> {
    await this.#send('Page.setDownloadBehavior', { behavior: 'allow', downloadPath: folder })
  }

  async screenshot(path: string): Promise<void> {
    const { data } = await this.#send('Page.captureScreenshot', { captureBeyondViewport: true })
    await writeFile(path, Buffer.from(String(data), 'base64'))
  }

  /** The expression for the first element that fits, once it is there and can be used. */
  async #usable(selector: string): Promise<string> {
    const element = `document.querySelector(${JSON.stringify(selector)})`
    await this.waitFor(`${element} && !${element}.disabled && ${element}.ariaDisabled !== 'true'`)
    return element
  }

  /** In a world of its own, which the policy of the page does not bind, and which the page does not see. Ends with the document. */
  async #loadAxe(): Promise<unknown> {
    const source = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
    const { frameTree } = await this.#send('Page.getFrameTree')
    const { frame } = frameTree as { readonly frame: { readonly id: string } }
    const { executionContextId } = await this.#send('Page.createIsolatedWorld', { frameId: frame.id })
    await this.#evaluate(`${source}; undefined`, executionContextId)
    return executionContextId
  }

  async #evaluate(expression: string, contextId?: unknown): Promise<unknown> {
    const options = { returnByValue: true, awaitPromise: true, ...(contextId !== undefined && { contextId }) }
    const { result, exceptionDetails } = await this.#send('Runtime.evaluate', { expression, ...options })
    if (exceptionDetails !== undefined) throw new DevToolsError(JSON.stringify(exceptionDetails))
    return (result as { readonly value?: unknown }).value
  }

  #send(method: string, params: Readonly<Record<string, unknown>> = {}): Promise<Readonly<Record<string, unknown>>> {
    return this.#devTools.send(method, params, this.#session)
  }
}
