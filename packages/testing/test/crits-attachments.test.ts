// Network captures and pictures that are posted to the stand-in of CRITs.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import type { CritsStandIn } from '../src/crits/server.js'
import { credentials, exchange, FORM, form, multipart, withCrits } from './crits-http.js'

const CAPTURE = Buffer.from('d4c3b2a1 a capture')
const PICTURE = Buffer.from('ffd8ffe0cafe', 'hex')
const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex')

async function post(
  crits: CritsStandIn,
  path: string,
  fields: Record<string, string>,
  bytes?: Buffer,
  filename = 'a',
): Promise<{ status: number; json: Record<string, unknown> }> {
  const { headers, body } = multipart(fields, bytes && { filename, bytes })
  const call = { path, headers: { ...credentials(crits), ...headers }, body }
  const { status, text } = await exchange(crits.url, call)
  return { status, json: JSON.parse(text) }
}

describe('a capture', () => {
  const add = (crits: CritsStandIn, fields: Record<string, string>, bytes?: Buffer, filename?: string) =>
    post(crits, '/api/v1/pcaps/', fields, bytes, filename)

  test('is stored once, with its sources, and related by a PATCH of the sample', () =>
    withCrits(async crits => {
      const sample = crits.addSample({ bytes: Buffer.from('MZ') })
      const { json } = await add(crits, { source: 'Internal' }, CAPTURE, `${md5(CAPTURE)}.pcap`)
      const id = String(json.id)
      assert.deepEqual(json, {
        message: 'Uploaded pcap',
        type: 'PCAP',
        return_code: 0,
        id,
        url: `/api/v1/pcaps/${id}/`,
      })
      assert.equal((await add(crits, { source: 'Internal' }, CAPTURE, 'again.pcap')).json.id, id)
      const body = form({
        action: 'forge_relationship',
        right_type: 'PCAP',
        right_id: id,
        rel_type: 'Related To',
      })
      const headers = { ...credentials(crits), ...FORM }
      const path = `/api/v1/samples/${sample.id}/`
      const { text } = await exchange(crits.url, { method: 'PATCH', path, headers, body })
      assert.match(text, /"success!"/)
      assert.deepEqual(sample.relationships, [{ relationship: 'Related To', type: 'PCAP', objectId: id }])
      const [stored, ...others] = crits.pcaps
      assert.deepEqual(stored, {
        id,
        filename: `${md5(CAPTURE)}.pcap`,
        md5: md5(CAPTURE),
        size: CAPTURE.length,
        sources: ['Internal'],
        relationships: [{ relationship: 'Related To', type: 'Sample', objectId: sample.id }],
      })
      assert.deepEqual(others, [])
    }))

  test('with related_id is stored by CRITs of 2015 only; 2019 fails', async () => {
    for (const [profile, status] of [
      ['2015', 200],
      ['stable', 200],
      ['master', 500],
    ] as const) {
      await withCrits(
        async crits => {
          const fields = { source: 'Internal', related_id: '0'.repeat(24), related_type: 'Sample' }
          assert.equal((await add(crits, fields, CAPTURE)).status, status)
        },
        { profile },
      )
    }
  })

  const refusals: readonly [Record<string, string>, Buffer | undefined, string][] = [
    [{ source: 'Internal' }, undefined, "Upload type of 'file' but no file uploaded."],
    [{ source: 'Internal' }, Buffer.alloc(0), 'No data object passed in'],
    [{}, CAPTURE, 'Missing source information.'],
    [{ source: 'Other' }, CAPTURE, 'User does not have permission to add object using source Other.'],
    [
      { source: 'Internal', related_id: '0'.repeat(24) },
      CAPTURE,
      'Must specify both related_type and related_id or related_md5.',
    ],
  ]
  for (const [fields, bytes, message] of refusals) {
    test(`is refused: ${message}`, () =>
      withCrits(async crits => {
        assert.deepEqual((await add(crits, fields, bytes)).json, { message, type: 'PCAP', return_code: 1 })
        assert.deepEqual(crits.pcaps, [])
      }))
  }

  test('under a name outside ASCII is a 500', () =>
    withCrits(async crits => {
      assert.equal((await add(crits, { source: 'Internal' }, CAPTURE, 'ü.pcap')).status, 500)
    }))
})

describe('a picture', () => {
  const add = (crits: CritsStandIn, fields: Record<string, string>, bytes?: Buffer) =>
    post(crits, '/api/v1/screenshots/', fields, bytes, '0001.jpg')
  const fieldsFor = (oid: string) => ({ upload_type: 'screenshot', source: 'Internal', oid, otype: 'Sample' })

  test('is attached to its sample', () =>
    withCrits(async crits => {
      const sample = crits.addSample({ bytes: Buffer.from('MZ') })
      const { json } = await add(crits, fieldsFor(sample.id), PICTURE)
      assert.equal(json.message, 'Screenshot(s) successfully uploaded!')
      assert.deepEqual(sample.screenshots, [json.id])
      assert.equal(crits.screenshots[0]?.md5, md5(PICTURE))
    }))

  test('that the imaging library cannot read is a 500', () =>
    withCrits(async crits => {
      const { id } = crits.addSample({ bytes: Buffer.from('MZ') })
      assert.equal((await add(crits, fieldsFor(id), Buffer.from('no picture'))).status, 500)
    }))

  const refusals: readonly [Record<string, string>, Buffer | undefined, string][] = [
    [{ upload_type: '' }, PICTURE, 'Must provide an upload type.'],
    [{ upload_type: 'file' }, PICTURE, 'Not a valid upload type.'],
    [{}, undefined, "Upload type of 'screenshot' but no file uploaded."],
    [{ source: '' }, PICTURE, 'You must provide a valid set of information.'],
    [{ oid: '0'.repeat(24) }, PICTURE, 'Could not find the top-level object.'],
  ]
  for (const [change, bytes, message] of refusals) {
    test(`is refused: ${message}`, () =>
      withCrits(async crits => {
        const { id } = crits.addSample({ bytes: Buffer.from('MZ') })
        const { json } = await add(crits, { ...fieldsFor(id), ...change }, bytes)
        assert.deepEqual(json, { message, type: 'Screenshot', return_code: 1 })
      }))
  }
})
