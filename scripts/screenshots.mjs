// npm run docs:screenshots: takes the pictures in docs/images anew, by the test of the overseer's page.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SetupError, setUp } from './setup.mjs'
import { withBroker } from './with-broker.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const folder = join(root, 'docs', 'images')

try {
  setUp({ rabbitMq: true, bzip2: true, chromium: true })
  for (const step of ['build', 'typecheck']) run('npm', ['run', '--silent', step])
  mkdirSync(folder, { recursive: true })
  process.env.SCREENSHOTS = folder
  await withBroker(async () => run(process.execPath, ['--test', join('test', 'build', 'page.integration.js')]))
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(error.message)
  process.exitCode = 1
}

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) throw new SetupError(`${command} ${args.join(' ')} failed, see the messages above`)
}
