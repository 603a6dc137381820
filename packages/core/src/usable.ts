// Checks of the directories that a configuration names, made once at start.
import { accessSync, constants, statSync } from 'node:fs'
import { describeError } from './errors.js'

/** What is wrong with directories that files are to be made in, by key, one line each. */
export function directoryProblems(directories: Readonly<Record<string, string>>): string[] {
  return Object.entries(directories).flatMap(([key, path]) => {
    try {
      if (!statSync(path).isDirectory()) return [`"${key}": ${path} is not a directory`]
      accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
      return []
    } catch (error) {
      return [`"${key}": ${path} cannot be written to: ${describeError(error)}`]
    }
  })
}
