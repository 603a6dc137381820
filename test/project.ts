// The project as its own tests see it: files, markdown and configuration schemas.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Type, { type TObject } from 'typebox'

const rootUrl = new URL('../../', import.meta.url)
export const root = fileURLToPath(rootUrl)

/** The services of the pipeline, in the order in which a sample meets them. */
export const PIPELINE = ['feed_cuckoo', 'check_results', 'parse_and_submit', 'overseer'] as const

const MADE = new Set(['node_modules', 'build', 'dist', 'generated', '.git'])

/** All files below a folder that are not made by a build, as paths from the root. */
export async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(join(root, folder), { withFileTypes: true })
  const lists = entries
    .filter(({ name }) => !MADE.has(name))
    .map(entry => {
      const path = folder === '.' ? entry.name : `${folder}/${entry.name}`
      return entry.isDirectory() ? filesIn(path) : Promise.resolve([path])
    })
  return (await Promise.all(lists)).flat().sort()
}

/** The text of a file. `path` starts at the root. */
export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** The JSON object in a file. */
export function readJson(path: string): Readonly<Record<string, unknown>> {
  return asRecord(JSON.parse(read(path)), path)
}

export function asRecord(value: unknown, what: string): Readonly<Record<string, unknown>> {
  assert.ok(typeof value === 'object' && value !== null, `${what} is no object`)
  return { ...value }
}

/** What is at a path inside of what was parsed; undefined where it leads nowhere. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((inner, key) => {
    return typeof inner === 'object' && inner !== null
      ? Object.entries(inner).find(([name]) => name === key)?.[1]
      : undefined
  }, value)
}

/** The schema of a service's configuration. Services export nothing, so it comes from their compiled module. */
export async function schemaOf(service: string): Promise<TObject> {
  const url = new URL(`services/${service}/build/src/config.js`, rootUrl)
  const module: Record<string, unknown> = await import(url.href)
  const schema = Object.values(module).find(value => Type.IsObject(value))
  assert.ok(schema, `${service} has no schema`)
  return schema
}

/** What stands under a heading of a markdown text, up to the next heading of the same or a higher level. */
export function sectionOf(markdown: string, heading: string): string {
  const [level = '#'] = heading.split(' ', 1)
  const lines = markdown.split('\n')
  const start = lines.indexOf(heading)
  assert.notEqual(start, -1, `no heading "${heading}"`)
  const rest = lines.slice(start + 1)
  const end = rest.findIndex(line => /^#+ /.test(line) && line.indexOf(' ') <= level.length)
  return rest.slice(0, end === -1 ? undefined : end).join('\n')
}

/** The rows of the first table in a markdown text, as cells, without its head. */
export function tableIn(markdown: string): string[][] {
  const lines = markdown.split('\n')
  const start = lines.findIndex(line => line.startsWith('|'))
  const length = lines.slice(start).findIndex(line => !line.startsWith('|'))
  const rows = lines.slice(start + 2, length === -1 ? undefined : start + length)
  return rows.map(row =>
    row
      .split(/(?<!\\)\|/)
      .map(cell => cell.trim().replaceAll('\\|', '|'))
      .slice(1, -1),
  )
}

/** The code spans of a markdown text, not its code blocks. */
export function codeSpans(markdown: string): string[] {
  return [...markdown.replaceAll(/^```.*?^```/gms, '').matchAll(/`([^`]+)`/g)].map(([, code = '']) => code)
}
