// Bundles what is measured, as the services are bundled: loading many small files is no part of what they cost.
import { readdir } from 'node:fs/promises'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const folder = (name: string) => fileURLToPath(new URL(`${name}/`, import.meta.url))

// CommonJS parts of libraries call `require`, which an ES module has not.
const banner = `import { createRequire as __createRequire } from 'node:module'
const require = __createRequire(import.meta.url)`

/** The file that `bundleChildren` makes of `children/<name>.ts`. */
export const bundledChild = (name: string): string => `${folder('bundled')}${name}.js`

/** Bundles every script of children/, whatever it imports dynamically in files of their own. */
export async function bundleChildren(): Promise<void> {
  const children = folder('children')
  const scripts = (await readdir(children)).filter(name => name.endsWith('.js'))
  await build({
    entryPoints: Object.fromEntries(scripts.map(name => [basename(name, '.js'), `${children}${name}`])),
    outdir: folder('bundled'),
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    banner: { js: banner },
    legalComments: 'none',
    minifyWhitespace: true,
    logLevel: 'warning',
  })
}
