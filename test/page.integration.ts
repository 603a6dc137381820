// The page of the overseer as an operator without a mouse uses it: CRITs breaks, the page says so, its dump says why, and what was dumped goes on.
// SCREENSHOTS names a folder for pictures of it (`npm run docs:screenshots`).
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { browserForTests, isReadable, type Look, spawnService, type Tab, waitFor } from '@cuckoo-distributed/testing'
import { startScene } from './scene.js'

const openTab = browserForTests()

const times = Number.POSITIVE_INFINITY

function sample(number: number) {
  return { name: `invoice-${number}.exe`, bytes: Buffer.from(`MZ\x90 sample ${number} C:\\Temp\\drop${number}.dll`) }
}

/** Those that the documentation shows. */
const PICTURES = ['broken-1280-light', 'broken-1280-dark']

/** Asserts that the page is readable in every look, and takes pictures of it. */
async function isFine(tab: Tab, name: string): Promise<void> {
  const folder = process.env.SCREENSHOTS
  await isReadable(tab, async ({ width, scheme }: Look) => {
    const picture = `${name}-${width}-${scheme}`
    if (folder && PICTURES.includes(picture)) await tab.screenshot(join(folder, `${picture}.png`))
  })
}

async function startPipeline(t: TestContext) {
  const scene = await startScene(t)
  const cuckoo = await scene.startCuckoo()
  for (const name of ['check_results', 'parse_and_submit'] as const) await scene.start(name)
  await scene.start('feed_cuckoo', { CuckooURL: cuckoo.url })
  const overseer = await scene.start('overseer')
  const page = await spawnService(t, 'overseer', { config: scene.configs.overseer, args: ['admin', '--listen', '0'] })
  const isUrl = (line: string) => line.startsWith('http://127.0.0.1:')
  const url = await waitFor(() => page.output.find(isUrl), { describe: 'the address of the page' })
  return { scene, overseer, url }
}

test('CRITs breaks, the page says so, the dump says why, and what was dumped goes on', async t => {
  const { scene, overseer, url } = await startPipeline(t)
  const tab = await openTab(t, url)
  await tab.shows(/connected/, '#connection')
  await tab.shows(/Nothing is wrong/, '#alarms')
  assert.equal(await tab.evaluate('location.hash'), '', 'the token does not stay in the address')
  await isFine(tab, 'well')

  // See it: what all messages meet makes them wait, and none is dumped.
  scene.crits.faults.next({ kind: 'status', status: 401, times })
  const emitted = [await scene.emit(sample(1)), await scene.emit(sample(2))]
  await tab.shows(/CRITS_AUTH: 2 samples wait/, '#alarms')
  await tab.waitFor('document.querySelector("[data-box=crits]").dataset.tone === "bad"')
  // Each further try puts the next one off for longer, and the looks at the page take their time.
  await overseer.stop()
  await tab.shows(/Nobody consumes ".*failed"/, '#alarms')
  await isFine(tab, 'broken')
  await scene.start('overseer', { SharedCauseLimit: 0 })
  await tab.waitFor('/2 dumps/.test(document.querySelector("[data-box=dumps]").textContent)')

  // Read why.
  await tab.pressOn('nav a[href="#/dumps"]')
  await tab.hasFocus('main h2')
  await tab.shows(/2 × CRITS_AUTH in feed_cuckoo/)
  await tab.shows(/To do:.*key/s, '[data-code=CRITS_AUTH]')
  await isFine(tab, 'dumps')
  await tab.pressOn('.cause summary', ' ')
  await tab.waitFor('!document.querySelector(".cause details").open')
  await tab.pressOn('.cause summary')
  await tab.pressOn('.cause tbody a')
  await tab.shows(/401/, '.time-line')
  await tab.hasFocus('main h2')
  assert.match(await tab.text('pre'), /"api_key": "\[hidden/)
  await isFine(tab, 'dump')

  // Mend it, and put the dumps back to work, but not by accident.
  scene.crits.faults.clear()
  await tab.pressOn('main a[href="#/dumps"]')
  await tab.pressOn('.cause button')
  await tab.shows(/Resubmit 2 dumps\?/, 'dialog')
  await isFine(tab, 'confirm')
  await tab.press('Escape')
  await tab.waitFor('document.querySelector("dialog") === null')
  await tab.hasFocus('.cause button')
  await tab.press(' ')
  await tab.pressOn('dialog button.primary')
  await tab.shows(/2 sent, 0 left/, '#done')
  await tab.shows(/No dumps/, '#no-dumps')
  await tab.hasFocus('#work')
  await isFine(tab, 'resubmitted')

  // Watch it finish.
  await tab.pressOn('nav a[href="#/samples"]')
  await tab.tabTo('input[name=what]')
  await tab.type(emitted[0]?.md5 ?? '')
  await tab.press('Enter')
  await tab.shows(/complete/, '.now[data-state=complete]')
  await tab.hasFocus('main h2')
  await tab.shows(/dumped.*resubmitted.*the page of .*complete/s, '.time-line')
  await isFine(tab, 'sample')
  await scene.allAre('completed', emitted)
})
