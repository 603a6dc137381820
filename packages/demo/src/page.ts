// `--page`: the page of the overseer beside the running demo, until somebody has seen enough.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { startService, waitFor } from '@cuckoo-distributed/testing'
import type { Scene } from './scene.js'
import { serviceConfigs } from './services.js'

/** Starts it as a process of its own, which a killed overseer does not take along, and opens it where there is a desktop. */
export async function openPage({ options, print, signal }: Scene): Promise<AsyncDisposable> {
  const config = serviceConfigs(options).overseer
  const page = await startService('overseer', { config, args: ['admin', '--listen', '0'] })
  const isAddress = (line: string) => line.startsWith('http://')
  const url = await waitFor(() => page.output.find(isAddress), { describe: 'the address of the page', signal })
  print(`page      ${url}`)
  if (process.stdout.isTTY) openInBrowser(url)
  return {
    async [Symbol.asyncDispose]() {
      await page.stop({ deadlineMs: 10_000 })
    },
  }
}

function openInBrowser(url: string): void {
  const opener = process.platform === 'darwin' ? 'open' : 'xdg-open'
  const child = spawn(opener, [url], { detached: true, stdio: 'ignore' })
  child.on('error', () => undefined) // the address is on the screen
  child.unref()
}

/** Resolves with a line on standard input, or its end. Rejects with the reason of the signal. */
export async function untilEnter({ print, signal }: Scene): Promise<void> {
  print('\nThe page stays as long as the demo: Enter ends both.')
  const lines = createInterface({ input: process.stdin })
  const end = () => lines.close()
  signal.addEventListener('abort', end, { once: true })
  try {
    await new Promise<void>(resolve => {
      lines.once('line', () => resolve())
      lines.once('close', () => resolve())
    })
    signal.throwIfAborted()
  } finally {
    signal.removeEventListener('abort', end)
    lines.close()
    process.stdin.destroy()
  }
}
