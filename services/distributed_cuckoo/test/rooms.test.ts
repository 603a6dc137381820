/** The rooms of the service, and the doors between them. */
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { test } from 'node:test'

const SOURCES = join(import.meta.dirname, '../../src')

/** The rooms that each of these may look into. */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  server: ['store', 'files'],
  'distributed-api': ['server', 'store', 'files', 'nodes'],
  'cuckoo-api': ['server', 'store', 'files', 'nodes'],
  'later-api': ['server', 'store', 'files', 'nodes'],
  dispatch: ['nodes', 'files', 'store'],
  nodes: ['files', 'store'],
  files: ['store'],
  store: [],
}

test('the HTTP server knows no API, no API the other, and a node nothing of who dispatches', async () => {
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
