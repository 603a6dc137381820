// Bundles one service into services/<name>/dist/<name>.mjs: one executable file that needs Node and nothing else, but for
// the SQLite driver's native binding, which is put beside it where a service uses that driver.
import { chmod, copyFile, mkdir, readFile, rename } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { generate } from './generate.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

// amqplib, form-data and yargs bring CommonJS parts; an ES module has no `require` unless one is made for it.
// An older Node can read the file, but not run it; it would say so by whatever it misses first.
const banner = name => `#!/usr/bin/env node
import { createRequire as __createRequire } from 'node:module'
const [__major, __minor] = process.versions.node.split('.').map(Number)
if (__major < 20 || (__major === 20 && __minor < 19)) {
  console.error('${name} needs Node.js 20.19 or newer; this is ' + process.version)
  process.exit(2)
}
const require = __createRequire(import.meta.url)`

/**
 * libsql chooses the package with its binding by platform at run time, out of a node_modules folder that a bundle has not.
 * In the bundle it takes the file beside it: the binding of the machine that builds.
 */
const libsqlBeside = {
  name: 'libsql-beside',
  setup({ initialOptions, onLoad, onResolve }) {
    const dist = dirname(initialOptions.outfile)
    onResolve({ filter: /^\.\/libsql\.node$/ }, ({ path }) => ({ path, external: true }))
    onLoad({ filter: /node_modules\/libsql\/index\.js$/ }, async ({ path }) => {
      const call = 'require(`@libsql/${target}`)'
      const source = await readFile(path, 'utf8')
      if (!source.includes(call)) throw new Error(`${path} does not load its binding by ${call} any more`)
      await mkdir(dist, { recursive: true })
      await copyFile(nativeBinding(path), join(dist, 'libsql.node.new'))
      // A running process has the old file mapped into its memory.
      await rename(join(dist, 'libsql.node.new'), join(dist, 'libsql.node'))
      return { contents: source.replace(call, "require('./libsql.node')"), loader: 'js' }
    })
  },
}

/** The file that libsql itself loads on this machine. */
function nativeBinding(libsql) {
  const require = createRequire(libsql)
  require('libsql')
  return Object.keys(require.cache).find(file => /@libsql\b.*\.node$/.test(file))
}

/**
 * Builds the service and returns the path and size in bytes of the file that was written, and the folders of the packages
 * from which something is in it. `plugins` of esbuild are for tests that build a variant of it.
 */
export async function buildService(name, { outfile = builtFile(name), plugins = [] } = {}) {
  const folder = join(root, 'services', name)
  const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  const { metafile } = await build({
    entryPoints: [join(folder, 'src', 'main.ts')],
    outfile,
    // Names of files below it are part of what is written.
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    conditions: ['source'],
    // Of ES modules only what is used goes in; OpenTelemetry's are a fifth of its others.
    mainFields: ['module', 'main'],
    banner: { js: banner(name) },
    define: { 'process.env.SERVICE_VERSION': JSON.stringify(version) },
    legalComments: 'none',
    // Comments go with the blanks; one letter in them that is not Latin-1 makes V8 keep two bytes for each of the file's.
    minifyWhitespace: true,
    lineLimit: 160,
    // pg loads its optional native driver only when asked for.
    external: ['pg-native'],
    plugins: [libsqlBeside, ...plugins],
    metafile: true,
    logLevel: 'warning',
  })
  await chmod(outfile, 0o755)
  const [{ bytes, inputs }] = Object.values(metafile.outputs)
  return { outfile, bytes, packages: packageFolders(inputs) }
}

/** A native binding is no input, but goes with the library that loads it. */
function packageFolders(inputs) {
  const used = Object.keys(inputs).filter(file => inputs[file].bytesInOutput > 0)
  const files = used.map(file => join(root, file))
  const libsql = files.find(file => file.endsWith('/node_modules/libsql/index.js'))
  if (libsql !== undefined) files.push(nativeBinding(libsql))
  const folders = files.map(file => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]).filter(Boolean)
  return [...new Set(folders)].sort()
}

function builtFile(name) {
  return join(root, 'services', name, 'dist', `${name}.mjs`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const name = process.argv[2]
  if (name === undefined) {
    console.error('usage: node scripts/build-service.mjs NAME')
    process.exit(2)
  }
  await generate()
  const { outfile, bytes } = await buildService(name)
  console.log(`${outfile}  ${(bytes / 1e6).toFixed(1)} MB`)
}
