import { existsSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/**
 * The file to run for a test source, undefined when there is none: `packages/x/test/a.test.ts` is compiled to
 * `packages/x/build/test/a.test.js`, `test/a.test.ts` to `test/build/a.test.js`.
 */
export function compiledTest(source) {
  if (source === undefined) return undefined
  const path = relative(root, resolve(source)).replace(/\.ts$/, '.js')
  const file = path.startsWith('test/') ? path.replace('test/', 'test/build/') : path.replace('/test/', '/build/test/')
  return existsSync(join(root, file)) ? join(root, file) : undefined
}
