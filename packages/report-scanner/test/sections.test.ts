// What nobody should write into the sections besides behavior: kept within bounds, and told when it is left out.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReportScanner } from '../src/index.js'
import { OPTIONS, scan } from './collect.js'

const MIB = 1_048_576
const deep = `${'['.repeat(100)}${']'.repeat(100)}`

test('a configuration that is too deep or too large is left out and counted, not those beside it', () => {
  const large = `{"Big":[${Array.from({ length: 30 }, () => `"${'x'.repeat(60_000)}"`).join()}]}`
  const { rows, summary } = scan(
    `{"CAPE":{"configs":[{"A":{"k":"v"}},${large},{"Deep":${deep}},"text",null,{"B":{"k":2}}]}}`,
  )
  assert.deepEqual(rows.configs, [
    { family: 'A', key: 'k', value: 'v' },
    { family: 'B', key: 'k', value: '2' },
  ])
  assert.deepEqual(Object.fromEntries(summary.unread), {
    'configurations could not be read: more than 1048576 bytes in one value': 1,
    'configurations could not be read: more than 64 containers in each other': 1,
  })
})

test('long values of a configuration and of a request are cut and counted', () => {
  const long = 'z'.repeat(200_000)
  const { rows, summary } = scan(
    `{"CAPE":{"configs":[{"A":{"blob":"${long}"}}]},"network":{"http":[{"uri":"u","data":"${long}","body":"${long}"}]}}`,
  )
  const cut = `${'z'.repeat(OPTIONS.maxValueBytes)} [cut: 200000 bytes]`
  assert.deepEqual(rows.configs, [{ family: 'A', key: 'blob', value: cut }])
  assert.deepEqual([rows.requests[0]?.data, rows.requests[0]?.body], [cut, cut])
  assert.equal(summary.cutValues, 3)
})

test('techniques and details that are too deep leave the family and the signature', () => {
  const { rows, summary } = scan(
    `{"detections":[{"family":"F","details":${deep}}],"signatures":[{"name":"s","ttp":${deep}}],"ttps":[{"signature":"s","ttps":${deep}}]}`,
  )
  assert.deepEqual(rows.detections, [{ family: 'F', engine: '' }])
  assert.equal(rows.signatures.length, 1)
  assert.deepEqual(rows.techniques, [])
  assert.deepEqual(Object.fromEntries(summary.unread), {
    'details of detections could not be read: more than 64 containers in each other': 1,
    'techniques could not be read: more than 64 containers in each other': 2,
  })
})

test('a family that an older CAPE writes as text is a detection', () => {
  assert.deepEqual(scan('{"detections":"Emotet"}').rows.detections, [{ family: 'Emotet', engine: '' }])
  assert.deepEqual(scan('{"detections":null,"malscore":null,"malstatus":null}').rows.detections, [])
})

test('techniques and configurations of older CAPEs are read as well', () => {
  const { rows } = scan(
    `{"ttps":{"T1116":"invalid_authenticode_signature","T1045":"packer"},"CAPE":{"configs":[{"F":{"port":[8880]},
      "associated_config_hashes":{"md5":"no"},"associated_analysis_hashes":{"md5":"no"}}]}}`,
  )
  assert.deepEqual(rows.techniques, [
    { technique: 'T1116', signature: 'invalid_authenticode_signature' },
    { technique: 'T1045', signature: 'packer' },
  ])
  assert.deepEqual(rows.configs, [{ family: 'F', key: 'port', value: '8880' }])
})

test('a tree of processes is read up to a limit, and only where there is no list of them', () => {
  const process = (pid: number, children = '') => `{"name":"p","pid":${pid},"parent_id":0,"children":[${children}]}`
  const many = Array.from({ length: 10_005 }, (_, pid) => process(pid)).join()
  const tree = scan(`{"behavior":{"processtree":[${many}]}}`)
  assert.equal(tree.rows.processes.length, 10_000)
  assert.equal(tree.unread, 5)
  const named = Array.from({ length: 20 }, (_, pid) => `{"name":"${'n'.repeat(60_000)}","pid":${pid}}`).join()
  const long = scan(`{"behavior":{"processtree":[${named}]}}`)
  assert.equal(long.rows.processes.length, 17)
  assert.equal(long.unread, 3)
  const listed = scan(`{"behavior":{"processtree":[${process(1)}],"processes":[]}}`)
  assert.deepEqual(listed.rows.processes, [])
  let nested = ''
  for (let depth = 0; depth < 5000; depth++) nested = process(depth, nested)
  const parents = scan(`{"behavior":{"processtree":[${nested}]}}`).rows.processes.map(({ pid }) => pid)
  assert.deepEqual(parents.slice(0, 3), ['4999', '4998', '4997'])
  assert.equal(parents.length, 100)
})

/** What is held at most, above what was held before, while `pieces` are read. */
function heldWhile(pieces: Iterable<Buffer>): number {
  const counted = { onHost() {}, onHttp() {}, onDomain() {}, onConfig() {}, onDetection() {}, onError() {} }
  const scanner = new ReportScanner(OPTIONS, counted)
  const memory = (): number => process.memoryUsage().heapUsed + process.memoryUsage().external
  globalThis.gc?.()
  const before = memory()
  let most = 0
  for (const piece of pieces) {
    scanner.push(piece)
    most = Math.max(most, memory() - before)
  }
  scanner.end()
  return most
}

test('large sections are read in little memory', () => {
  const times = (text: string, count: number): Buffer[] => Array(count).fill(Buffer.from(text))
  const request = `{"uri":"u","data":"${'d'.repeat(500_000)}","count":1},`
  const file = `{"name":["n"],"sha256":"s","data":"${'d'.repeat(500_000)}","pe":[{"icon":"${'i'.repeat(500_000)}"}]},`
  const held = heldWhile([
    ...[Buffer.from('{"network":{"hosts":['), ...times('{"ip":"198.51.100.5"},'.repeat(10_000), 100)],
    ...[Buffer.from('"x"],"http":['), ...times(request, 40), Buffer.from('{}]},"dropped":[')],
    ...[...times(file, 20), Buffer.from('{}],"debug":{"errors":["'), ...times('e'.repeat(MIB), 20)],
    ...[Buffer.from('"]},"CAPE":{"configs":[{"F":"'), ...times('c'.repeat(MIB), 20), Buffer.from('"}]}}')],
  ])
  assert.ok(held < 40 * MIB, `${held} bytes`)
})

test('remembered detections do not grow without end', () => {
  const family = (index: number) => `{"family":"${String(index).padStart(60_000, 'f')}","details":[]},`
  function* pieces() {
    yield Buffer.from('{"detections":[')
    for (let index = 0; index < 1000; index++) yield Buffer.from(family(index))
    yield Buffer.from('{}]}')
  }
  const held = heldWhile(pieces())
  assert.ok(held < 40 * MIB, `${held} bytes`)
})
