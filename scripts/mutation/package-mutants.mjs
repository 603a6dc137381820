// Every mutant of a package, with where it is in the source.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { mutantsOf } from './mutants.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export function allMutants(folder) {
  return compiledFiles(join(folder, 'build', 'src')).flatMap(file => {
    const source = readFileSync(file, 'utf8')
    const map = new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')))
    const lines = lineStarts(source)
    const counts = new Map()
    return mutantsOf(source).flatMap(mutant => {
      const { start, end, replacement, kind, from } = mutant
      const line = lines.findLastIndex(from => from <= start)
      const original = map.findEntry(line, start - lines[line])
      // What the compiler has added is not ours to test.
      if (original.originalSource === undefined) return []
      const path = relative(ROOT, join(dirname(file), original.originalSource))
      const shown = source.slice(start, end).replace(/\s+/g, ' ').slice(0, 80)
      const same = `${path}\n${kind}\n${shown}`
      const nth = counts.get(same) ?? 0
      counts.set(same, nth + 1)
      const place = `${path}:${original.originalLine + 1}`
      const key = keyOf({ file: path, kind, code: shown, nth })
      const room = dirname(relative(join(folder, 'build', 'src'), file)).replace(/^\.$|\/.*$/, '')
      return { url: pathToFileURL(file).href, start, end, replacement, kind, from, place, shown, key, room }
    })
  })
}

/** Survives edits elsewhere in the file: what was changed into what, and which of several such places. */
export function keyOf({ file, kind, code, nth = 0 }) {
  return JSON.stringify([file, kind, code, nth])
}

function compiledFiles(folder) {
  return readdirSync(folder, { recursive: true })
    .filter(name => name.endsWith('.js') && existsSync(join(folder, '..', '..', 'src', name.replace(/js$/, 'ts'))))
    .filter(name => !name.startsWith('generated/'))
    .map(name => join(folder, name))
}

function lineStarts(source) {
  const starts = [0]
  for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}
