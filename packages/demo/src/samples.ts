// The files that are sent through the pipeline: those of the command line, or a few made up ones.
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { UsageError } from './arguments.js'

export interface DemoSample {
  readonly name: string
  readonly bytes: Buffer
  readonly md5: string
}

/** The default of feed_cuckoo's `MaxSampleSize`. */
const LARGEST = 256 * 1024 * 1024

/** Harmless files: text, and bytes that only look like a program. */
export function madeUpSamples(): DemoSample[] {
  return madeUp.map(({ name, content }) => sampleOf(name, Buffer.from(content, 'latin1')))
}

/** The files of the command line. npm changes the directory; INIT_CWD is the user's. Throws UsageError. */
export async function readSamples(files: readonly string[]): Promise<DemoSample[]> {
  return Promise.all(files.map(file => readSample(resolve(process.env.INIT_CWD ?? '.', file))))
}

async function readSample(path: string): Promise<DemoSample> {
  try {
    const { size } = await stat(path)
    if (size > LARGEST) throw new UsageError(`${path} has more than ${LARGEST} bytes`)
    return sampleOf(basename(path), await readFile(path))
  } catch (error: unknown) {
    if (error instanceof UsageError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new UsageError(`cannot read a FILE: ${reason}`, { cause: error })
  }
}

function sampleOf(name: string, bytes: Buffer): DemoSample {
  return { name, bytes, md5: createHash('md5').update(bytes).digest('hex') }
}

const madeUp = [
  { name: 'delivery-note.txt', content: 'Delivery note 4711\r\n2 crates of apples\r\n1 crate of pears\r\n' },
  {
    name: 'setup.exe',
    content: `MZ\x90\0\x03\0\0\0${'\0'.repeat(52)}PE\0\0L\x01This program cannot be run in DOS mode.\r\n\0http://updates.example/check.php\0C:\\ProgramData\\agent.dll\0Software\\Agent\\Run\0`,
  },
  { name: 'backup.cmd', content: '@echo off\r\ncopy C:\\data\\*.doc D:\\backup\r\necho done\r\n' },
  { name: 'Überweisung März – 請求書.js', content: 'var greeting = "hello"\nWScript.Echo(greeting)\n' },
] as const
