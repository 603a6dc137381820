/** The rooms of the service, and the doors between them. */
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { test } from 'node:test'

const SOURCES = join(import.meta.dirname, '../../src')

/** The rooms that each of these may look into. */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  server: ['store'],
  'distributed-api': ['server', 'store', 'dispatch'],
  'cuckoo-api': ['server', 'store', 'dispatch'],
  dispatch: ['store'],
  store: [],
}

test('the HTTP server knows no API, and no API the other', async () => {
  const paths = await readdir(SOURCES, { recursive: true })
  const wrong: string[] = []
  for (const path of paths.filter(name => name.endsWith('.ts'))) {
    const room = roomOf(path)
    const allowed = DOORS[room]
    if (allowed === undefined) continue
    const code = await readFile(join(SOURCES, path), 'utf8')
    for (const [, specifier = ''] of code.matchAll(/\bfrom '(\.[^']+)'/g)) {
      const other = roomOf(posix.join(posix.dirname(path), specifier))
      if (other !== room && other in DOORS && !allowed.includes(other)) wrong.push(`${path} imports ${specifier}`)
    }
  }
  assert(paths.some(path => roomOf(path) === 'server'))
  assert.deepEqual(wrong, [])
})

function roomOf(path: string): string {
  return path.split('/')[0] ?? ''
}
