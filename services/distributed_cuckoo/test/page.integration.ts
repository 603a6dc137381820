/** The status page in a real browser, by what its document holds in the end. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { waitFor } from '@cuckoo-distributed/testing'
import { startFakeNode } from './fake-node.js'
import { makeFront } from './front.js'

test('the page shows nodes, load and what tasks wait for, and takes hostile texts for text', async t => {
  const node = await startFakeNode()
  t.after(() => node.close())
  node.newStatus = 'running'
  const front = await makeFront(t)
  await front.start()
  await front.addNode('lab1', node.url)
  await front.submit('MZ 1')
  await front.submit('MZ 2', { tags: '<img src=x onerror=document.body.dataset.hacked=1>' })
  await waitFor(async () => JSON.stringify(await front.request('/status')).includes('onerror'), {
    describe: 'a task to wait for a tag that nobody has',
  })
  await waitFor(async () => (await front.tasks('status=processing')).length === 1, {
    describe: 'a task to be on the node',
  })
  const page = await render(t, `${front.url}/`)
  assert.match(page, /<body[^>]* data-state="shown"/)
  assert.doesNotMatch(page, /data-hacked/)
  assert.match(
    page,
    /<tr data-node="lab1"><td>lab1<\/td><td class="up">up<\/td><td>cuckoo<\/td><td class="number">2<\/td>/,
  )
  assert.match(page, /<td id="pending">1<\/td><td id="processing">1<\/td>/)
  assert.match(page, /&lt;img src=x/)
  assert.match(page, /<p id="problem" role="alert"><\/p>/)
})

test('the page asks for the token when the server wants one, and shows nothing', async t => {
  const front = await makeFront(t, { ApiToken: 'secret' })
  await front.start()
  const page = await render(t, `${front.url}/`)
  assert.match(page, /<body[^>]* data-state="refused"/)
  assert.match(page, /<form id="login"><label>/)
  assert.match(page, /<td id="pending"><\/td>/)
})

/** The document as a headless Chromium has it once its scripts have run; CHROMIUM names another program. */
async function render(t: TestContext, url: string): Promise<string> {
  const profile = await mkdtemp(join(tmpdir(), 'chromium-'))
  t.after(() => rm(profile, { recursive: true, force: true, maxRetries: 5 }))
  const program = process.env.CHROMIUM ?? 'chromium'
  const flags = [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    `--user-data-dir=${profile}`,
  ]
  try {
    const args = [...flags, '--virtual-time-budget=4000', '--dump-dom', url]
    const { stdout } = await promisify(execFile)(program, args, { timeout: 60_000 })
    return stdout
  } catch (error: unknown) {
    throw new Error(`${program} could not show ${url}; is it installed (apt-get install chromium)?`, { cause: error })
  }
}
