// npm run test:file -- FILE…: runs some test files, with a RabbitMQ if one of them needs it.
import { spawnSync } from 'node:child_process'
import { compiledTest } from './compiled-test.mjs'
import { SetupError, setUp } from './setup.mjs'
import { withBroker } from './with-broker.mjs'

const files = process.argv.slice(2).map(compiledTest)
if (files.length === 0 || files.includes(undefined)) {
  console.error('usage: npm run test:file -- FILE…; FILE is a test source such as packages/core/test/config.test.ts')
  process.exit(2)
}
try {
  const run = async () =>
    spawnSync(process.execPath, ['--test', '--test-reporter=spec', ...files], { stdio: 'inherit' })
  const needsBroker = files.some(file => file.endsWith('.integration.js'))
  if (needsBroker) setUp({ rabbitMq: true, bzip2: true })
  const { status } = await (needsBroker ? withBroker(run) : run())
  process.exitCode = status ?? 1
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(error.message)
  process.exitCode = 1
}
