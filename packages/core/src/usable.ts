// Checks of the files and directories that a configuration names, made once at start.
import { randomUUID } from 'node:crypto'
import { accessSync, closeSync, constants, existsSync, openSync, rmSync, statfsSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { describeError, errorCode } from './errors.js'
import type { Look } from './look.js'

/** What is wrong with directories that files are to be made in, by key, one line each. */
export function directoryProblems(directories: Readonly<Record<string, string>>): string[] {
  return Object.entries(directories).flatMap(([key, path]) => {
    try {
      if (!statSync(path).isDirectory()) return [`"${key}": ${path} is not a directory`]
      accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
      return []
    } catch (error: unknown) {
      return [
        `"${key}": ${path} ${errorCode(error) === 'ENOENT' ? 'does not exist' : `cannot be written to: ${describeError(error)}`}`,
      ]
    }
  })
}

/**
 * Whether files can really be made in a directory, and whether there is space for them, in bytes. `path`: one that is missing and will be
 * made is looked at above itself.
 */
export function spaceLook(key: string, path: string, bytes: number): Look {
  return {
    what: `${key} ${path}`,
    async problems() {
      const there = existingPart(resolve(path))
      try {
        const probe = join(there, `.check-${randomUUID()}`)
        closeSync(openSync(probe, 'wx', 0o600))
        rmSync(probe)
        const { bavail, bsize } = statfsSync(there)
        const free = bavail * bsize
        return free >= bytes ? [] : [`${MiB(free)} MiB are free, ${MiB(bytes)} MiB may be needed`]
      } catch (error: unknown) {
        return [`no file can be made in it: ${describeError(error)}`]
      }
    },
  }
}

function MiB(bytes: number): number {
  return Math.floor(bytes / 1024 / 1024)
}

/** What is wrong with files that are to be appended to, by key; empty = none. Their directories are made where missing. */
export function fileProblems(files: Readonly<Record<string, string>>): string[] {
  return Object.entries(files).flatMap(([key, path]) => {
    if (path === '') return []
    try {
      const there = existingPart(resolve(path))
      const isMissing = there !== resolve(path)
      if (statSync(there).isDirectory() !== isMissing)
        return [`"${key}": ${path} is ${isMissing ? 'in no' : 'a'} directory`]
      accessSync(there, constants.W_OK | (isMissing ? constants.X_OK : 0))
      return []
    } catch (error: unknown) {
      return [`"${key}": ${path} cannot be opened for writing: ${describeError(error)}`]
    }
  })
}

/** The path itself, or the nearest directory above it that exists. */
export function existingPart(path: string): string {
  return existsSync(path) ? path : existingPart(dirname(path))
}

/** Keys whose values are those of the examples that nobody has filled in. The path for LogFile would do. */
export function placeholders(config: object): string[] {
  return Object.entries(config)
    .filter(([, value]) => [value].flat().some(text => typeof text === 'string' && PLACEHOLDER.test(text)))
    .map(([key]) => key)
}

const PLACEHOLDER = /^amqp:\/\/USER:PASSWORD@HOST:PORT|:\/\/cuckoo\.your\.network:PORT|^\/folder\/(to|for)\//
