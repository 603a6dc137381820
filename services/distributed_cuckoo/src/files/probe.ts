/**
 * Looking at a directory from another process: a network file system that hangs holds whoever asks it for something, and of the
 * threads that this process reads files with there are four.
 */
import { spawn } from 'node:child_process'
import { performance } from 'node:perf_hooks'
import { MARKER } from './marker.js'

/** Reads the marker aloud, and writes a copy of it to a file that goes again; another server may be quicker with that. */
const SCRIPT = 'cat "$1/$2" && cat "$1/$2" > "$1/$2.probe" && rm -f "$1/$2.probe"'
/** Of what is read of the answer. */
const MAX_TEXT = 1000

export interface ProbeResult {
  /** The content of the marker. */
  readonly marker: string
  /** What went wrong, as the system says it; null = the marker was read and its copy written. */
  readonly error: string | null
}

export interface Probe {
  /** Resolves with undefined when the probe could not be made, which says nothing of the directory. */
  readonly result: Promise<ProbeResult | undefined>
  /** Milliseconds since it began. */
  age(): number
  /** Ends it, if it can be ended: one that waits for a disk cannot. */
  end(): void
}

/** Begins to look at a directory. It may take for ever. */
export function probeDirectory(directory: string): Probe {
  const began = performance.now()
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'probe', directory, MARKER], {
    cwd: '/',
    env: { PATH: [process.env.PATH, '/usr/bin', '/bin'].filter(Boolean).join(':'), LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [output, errors] = [new Tail(), new Tail()]
  child.stdout.on('data', (chunk: Buffer) => output.add(chunk))
  child.stderr.on('data', (chunk: Buffer) => errors.add(chunk))
  const result = new Promise<ProbeResult | undefined>(resolve => {
    child.once('error', () => resolve(undefined))
    child.once('close', (code, signal) => {
      if (signal !== null) resolve(undefined)
      else resolve({ marker: output.text, error: code === 0 ? null : reasonIn(errors.text) || `exit code ${code}` })
    })
  })
  return {
    result,
    age: () => performance.now() - began,
    end() {
      child.kill('SIGKILL')
      // What cannot be killed must not keep this process either.
      child.unref()
      child.stdout.destroy()
      child.stderr.destroy()
    },
  }
}

class Tail {
  #text = ''

  add(chunk: Buffer): void {
    if (this.#text.length < MAX_TEXT) this.#text += chunk.toString('utf8')
  }

  get text(): string {
    return this.#text.slice(0, MAX_TEXT).trim()
  }
}

/** The programs put the path before it, which differs between shells. */
function reasonIn(text: string): string {
  return text.split('\n')[0]?.split(': ').at(-1) ?? ''
}
