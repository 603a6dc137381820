import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'

const LEFT_NOTHING = new URL('../src/left-nothing.js', import.meta.url).href

const HEAD = `
import { spawn } from 'node:child_process'
import { openSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { after, test } from 'node:test'
`

/** Runs a test file with the check; resolves with its exit code and what it printed. */
async function run(t: TestContext, text: string): Promise<{ code: unknown; output: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'left-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'some.mjs')
  await writeFile(file, HEAD + text)
  const { LEFT_NOTHING: _, NODE_TEST_CONTEXT: __, ...env } = process.env
  return new Promise(resolve => {
    execFile(process.execPath, ['--import', LEFT_NOTHING, file], { env }, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, output: stdout + stderr })
    })
  })
}

test('what tests leave fails their file, and is named, though it would keep the process', async t => {
  const { code, output } = await run(
    t,
    `
    test('leaves much', () => {
      setInterval(() => {}, 1000)
      createServer().listen(0)
      openSync(process.argv[1])
      open(process.argv[1])
      writeFileSync(tmpdir() + '/a-file', '')
      spawn('sleep', ['60'], { stdio: 'ignore' }).unref()
    })
    test('leaves nothing', () => {})`,
  )
  const pid = /process (\d+), sleep/.exec(output)?.[1]
  if (pid !== undefined) process.kill(Number(pid))
  assert.equal(code, 1)
  for (const each of [
    /Timeout that keeps the process/,
    /TCPServerWrap that keeps the process/,
    /descriptor \d+, tcp6? port \d+/,
    /descriptor \d+, \/.*some\.mjs/,
    /Closing .* on garbage collection/,
    /process \d+, sleep/,
    /file a-file in the temporary folder/,
  ]) {
    assert.match(output, each)
  }
})

test('what the hooks of a file take away is not left', async t => {
  const { code, output } = await run(
    t,
    `
    const server = createServer().listen(0)
    test('uses a server', () => {})
    after(async () => {
      await new Promise(resolve => setTimeout(resolve, 50))
      server.close()
    })`,
  )
  assert.equal(code, 0, output)
})
