// Lets an editor change the queue and the message of a dump, which is in our hands all the while.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidMessageError, ServiceError } from '@cuckoo-distributed/core'
import { Claim } from '../claim.js'
import { editDirName } from './edit-dir.js'
import { EditableDump } from './edited-dump.js'

export interface EditOptions {
  readonly dir: string
  /** Resolves when the editor has ended; rejects to leave the dump as it was. */
  readonly edit: (path: string) => Promise<void>
  /** Told what is wrong with the text; false gives it up. */
  readonly again: (problem: string) => Promise<boolean>
  /** As for `Claim`. */
  readonly renewMs?: number | undefined
}

const LARGEST_TEXT = 16 * 1024 * 1024

/**
 * Resolves with whether the dump was changed. Whatever it rejects with, the dump is as it was: InvalidMessageError for what cannot be
 * edited, ServiceError for what was given up, errors of the file system, ENOENT when the dump was lost to another meanwhile.
 */
export async function editDump(name: string, options: EditOptions): Promise<boolean> {
  const folder = join(options.dir, editDirName(name))
  return changeDump(name, options, async bytes => {
    try {
      const editable = new EditableDump(bytes)
      // What a process that has died left there is nobody's: the dump is in our hands.
      await rm(folder, { recursive: true, force: true })
      await mkdir(folder, { mode: 0o700 })
      return await editedContent(editable, join(folder, `${name.replace(/\.(json|bin)$/, '')}.json`), options)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
}

/** Gives a dump, which is in our hands meanwhile, the content that `change` makes; undefined leaves it. As `editDump`. */
export async function changeDump(
  name: string,
  { dir, renewMs }: Pick<EditOptions, 'dir' | 'renewMs'>,
  change: (bytes: Buffer) => Promise<Buffer[] | undefined>,
): Promise<boolean> {
  await using dump = await Claim.take(dir, name, renewMs)
  if (!dump) throw new ServiceError('IN_OTHER_HANDS', 'it is in use by another process, or gone')
  try {
    const content = await change(await dump.read())
    if (content === undefined) return false
    await dump.replace(content)
    return true
  } finally {
    await dump.giveBack()
  }
}

async function editedContent(
  editable: EditableDump,
  path: string,
  options: EditOptions,
): Promise<Buffer[] | undefined> {
  await writeText(path, editable.text)
  for (;;) {
    await options.edit(path)
    try {
      return editable.withText(await readText(path))
    } catch (error: unknown) {
      if (!(error instanceof InvalidMessageError)) throw error
      if (!(await options.again(error.message))) throw error
    }
  }
}

async function writeText(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(text)
  } finally {
    await file.close()
  }
}

async function readText(path: string): Promise<string> {
  if ((await stat(path)).size > LARGEST_TEXT) throw new InvalidMessageError('text', `is above ${LARGEST_TEXT} bytes`)
  return new TextDecoder('utf-8').decode(await readFile(path))
}

/** Runs `$VISUAL`, `$EDITOR` or vi, as git does: by the shell, so that it may have arguments. Rejects when it fails. */
export async function runEditor(path: string, env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const editor = env.VISUAL || env.EDITOR || 'vi'
  const child = spawn('/bin/sh', ['-c', `${editor} "$1"`, 'sh', path], { stdio: 'inherit' })
  const [code]: unknown[] = await once(child, 'close')
  if (code !== 0) throw new ServiceError('EDITOR_FAILED', `${editor} ended with ${code ?? 'a signal'}`)
}
