// What only CAPE does to files: it takes them out of an archive that was sent, and names those that were dropped by their hash.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { type CuckooStandIn, memoryBody } from '@cuckoo-distributed/testing'
import type { Parser } from '../src/config.js'
import { SAME_RUN } from './same-run.js'
import { submitted } from './submitted.js'
import { submitterScene } from './submitter.js'

const MD5 = SAME_RUN.CAPE.target.file.md5
const OTHER = createHash('md5').update('a member').digest('hex')

const reportsAsked = ({ journal }: CuckooStandIn) => journal.filter(({ path }) => path === '/tasks/report/1').length

const unpacked = (parent: unknown) => ({
  ...SAME_RUN.CAPE,
  target: { category: 'file', file: { name: 'member.exe', md5: OTHER } },
  info: { ...SAME_RUN.CAPE.info, parent_sample: parent },
})

test('a file that was taken out of the sample is no wrong sample, and CRITs is told', async t => {
  for (const parent of [{ id: 3, md5: MD5, sha256: 's' }, { sha256: 's' }]) {
    const { of, log } = await submitted(t, unpacked(parent))
    assert.equal(of('info').length, 1)
    const line = `the sample is an archive: the file with MD5 ${OTHER} was taken out of it and analysed in its place`
    assert.ok(log.includes(line), log.join('\n'))
  }
  for (const parent of [null, false, {}, { id: 3, md5: createHash('md5').update('another').digest('hex') }]) {
    await assert.rejects(submitted(t, unpacked(parent)), { code: 'WRONG_SAMPLE' }, JSON.stringify(parent))
  }
})

test('an instance for dropped files asks the report, once, where a foreign file comes from', async t => {
  for (const [EnabledParsers, parent, code] of [
    [['dropped'], { md5: MD5, sha256: 's' }, undefined],
    [['info', 'dropped'], { md5: MD5, sha256: 's' }, undefined],
    [['dropped'], null, 'WRONG_SAMPLE'],
  ] satisfies [Parser[], object | null, string | undefined][]) {
    const report = () => memoryBody(JSON.stringify(unpacked(parent)))
    const scene = await submitterScene(t, { EnabledParsers }, { standIns: { cuckoo: { report } } })
    const task = scene.cuckoo.tasks.get(1)
    assert.ok(task?.sample)
    Object.assign(task.sample, { md5: OTHER })
    const { outcome } = scene.deliver({})
    if (code === undefined) assert.equal((await outcome).kind, 'done')
    else await assert.rejects(outcome, { code })
    assert.equal(reportsAsked(scene.cuckoo), 1)
  }
})

test('a report that names no file does not vouch for a task of another one', async t => {
  const report = () => memoryBody(JSON.stringify({ info: { id: 1 }, target: { category: 'url' } }))
  for (const EnabledParsers of [['dropped'], ['info', 'dropped']] satisfies Parser[][]) {
    const scene = await submitterScene(t, { EnabledParsers }, { standIns: { cuckoo: { report } } })
    Object.assign(scene.cuckoo.tasks.get(1)?.sample ?? {}, { md5: OTHER })
    await assert.rejects(scene.deliver({}).outcome, { code: 'WRONG_SAMPLE' })
  }
})

test('files that CAPE names by their hash have the names of the report, whether the report is parsed or not', async t => {
  const contents = ['MZ one', 'MZ two', 'MZ three'].map(text => Buffer.from(text))
  const [one, two, three] = contents.map(bytes => createHash('sha256').update(bytes).digest('hex'))
  const dropped = [
    { name: ['one.tmp', 'other.tmp'], guest_paths: ['C:\\one.tmp', 'C:\\other.tmp'], sha256: one, md5: 'x' },
    { name: 'two.dll', sha256: two?.toUpperCase() },
    { name: [], sha256: three },
  ]
  const archive = [one, two, three].map((name, index) => ({ name: String(name), content: contents[index] ?? '' }))
  const cuckoo = {
    report: () => memoryBody(JSON.stringify({ ...SAME_RUN.CAPE, dropped })),
    dropped: () => archive.map(({ name, content }) => ({ name, content: Buffer.from(content) })),
  }
  for (const EnabledParsers of [['dropped'], ['info', 'dropped']] satisfies Parser[][]) {
    const scene = await submitterScene(t, { EnabledParsers }, { standIns: { cuckoo } })
    assert.equal((await scene.deliver({}).outcome).kind, 'done')
    const rows = scene.analysis().results.filter(({ subtype }) => subtype === 'file_added')
    const names = rows.map(({ result }) => result)
    assert.deepEqual(names, ['one.tmp', 'two.dll', three])
    assert.ok([...scene.crits.samples.values()].some(sample => sample.filename === 'one.tmp'))
    assert.equal(reportsAsked(scene.cuckoo), 1)
  }
})
