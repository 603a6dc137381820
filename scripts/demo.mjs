// npm run demo [-- [OPTIONS] [FILE…]]: set-up, build, and the whole pipeline at work; see `npm run demo -- --help`.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SetupError, setUp } from './setup.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

try {
  setUp({})
  compile('packages/demo')
  const { runDemo } = await import('../packages/demo/build/src/index.js')
  process.exitCode = await runDemo(process.argv.slice(2), prepare)
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(error.message)
  process.exitCode = 1
}

function compile(project) {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const { status } = spawnSync(process.execPath, [compiler, '--build', project], { cwd: root, stdio: 'inherit' })
  if (status !== 0) throw new SetupError(`${project} could not be compiled, see the messages above`)
}

/** What is not needed before the arguments are known to be right. */
async function prepare() {
  setUp({ rabbitMq: true, bzip2: true })
  const { buildAll } = await import('./build.mjs')
  await buildAll(() => {})
}
