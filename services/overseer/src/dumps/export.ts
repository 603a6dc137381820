// Copies of dumps elsewhere, in one tar file or as files, and what they hold.
import { type FileHandle, mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode, InvalidMessageError } from '@cuckoo-distributed/core'
import { cutString } from '@cuckoo-distributed/json-scanner'
import { Body } from '../body.js'
import { decodeDump } from '../dump-file.js'
import type { Dump } from './envelope.js'

/** What was written. */
export interface Exported {
  dumps: number
  bytes: number
  /** Dumps with an API key, and with a sample. */
  keys: number
  samples: number
  /** Names of dumps that have gone meanwhile. */
  readonly gone: string[]
}

/**
 * Writes copies for this user only (mode 0600): into the new file `to` when its name ends in `.tar`, else into the directory `to`, which
 * is made if it is missing. Never over anything that is there. Throws the errors of the file system; no file is left then.
 */
export async function exportDumps(dir: string, dumps: readonly Dump[], to: string): Promise<Exported> {
  const exported: Exported = { dumps: 0, bytes: 0, keys: 0, samples: 0, gone: [] }
  if (!to.endsWith('.tar')) {
    await mkdir(to, { mode: 0o700, recursive: true })
    for await (const { dump, bytes } of contents(dir, dumps, exported)) {
      await writeNew(join(to, dump.name), file => file.writeFile(bytes))
    }
    return exported
  }
  await writeNew(to, async file => {
    for await (const { dump, bytes } of contents(dir, dumps, exported)) {
      await file.writeFile(tarHeader(dump, bytes.length))
      await file.writeFile(bytes)
      await file.writeFile(Buffer.alloc(-bytes.length & (BLOCK - 1)))
    }
    await file.writeFile(Buffer.alloc(2 * BLOCK))
  })
  return exported
}

async function writeNew(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await write(file)
    await file.sync()
  } catch (error: unknown) {
    await rm(path, { force: true })
    throw error
  } finally {
    await file.close()
  }
}

async function* contents(dir: string, dumps: readonly Dump[], exported: Exported) {
  for (const dump of dumps) {
    const bytes = await readFile(join(dir, dump.file)).catch((error: unknown) => {
      if (errorCode(error) !== 'ENOENT') throw error
    })
    if (bytes === undefined) {
      exported.gone.push(dump.name)
      continue
    }
    const { hasKey, hasSample } = secretsOf(bytes)
    exported.dumps += 1
    exported.bytes += bytes.length
    exported.keys += hasKey ? 1 : 0
    exported.samples += hasSample ? 1 : 0
    yield { dump, bytes }
  }
}

/** What is no message of ours may hold anything. */
function secretsOf(bytes: Buffer): { readonly hasKey: boolean; readonly hasSample: boolean } {
  try {
    const { body } = decodeDump(bytes)
    const { crits } = Body.plain(body).findSubject()
    const sample = cutString(body, ['file', 'data']).value
    return { hasKey: crits === undefined || crits.apiKey !== '', hasSample: (sample?.length ?? 0) > 0 }
  } catch (error: unknown) {
    if (error instanceof InvalidMessageError) return { hasKey: true, hasSample: true }
    throw error
  }
}

const BLOCK = 512

/** As POSIX.1-1988 has it (ustar). Names of dumps are shorter than its 100 bytes. */
function tarHeader({ name, at }: Dump, length: number): Buffer {
  const header = Buffer.alloc(BLOCK)
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`
  header.write(name, 0)
  header.write(octal(0o600, 7), 100)
  header.write(octal(0, 7), 108)
  header.write(octal(0, 7), 116)
  header.write(octal(length, 11), 124)
  header.write(octal(Math.max(0, Math.floor(at / 1000)), 11), 136)
  header.write(' '.repeat(8), 148) // what the sum counts in place of itself
  header.write('0', 156)
  header.write('ustar\x0000', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}
