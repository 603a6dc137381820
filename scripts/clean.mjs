// Removes everything that a build or a test run writes.
import { rmSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const folders = [root, join(root, 'test')]
for (const kind of ['packages', 'services']) {
  for (const name of await readdir(join(root, kind))) folders.push(join(root, kind, name))
}
for (const folder of folders) {
  for (const made of ['build', 'dist', 'src/generated']) rmSync(join(folder, made), { recursive: true, force: true })
}
