import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import type { CritsUser } from '../src/crits/auth.js'
import { credentials, exchange, FORM, form, withCrits } from './crits-http.js'
import { upload } from './crits-scene.js'

const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex')
const UPLOAD = { upload_type: 'file', source: 'Internal', description: 'dropped' }
const SORRY = /^\{"error_message": "Sorry/

function success(id: string | undefined, verb: string, digest: string): string {
  const link = `<a href=\\"/samples/details/${digest}/\\">${digest}.</a>`
  return `{"url": "/api/v1/samples/${id}/", "message": "Success: ${verb} sample ${link}", "type": "Sample", "return_code": 0, "id": "${id}"}`
}

describe('an upload', () => {
  const bytes = Buffer.from('MZ drop')

  test('makes a sample, and the same bytes under another name update it', () =>
    withCrits(async crits => {
      const first = await upload(crits, { ...UPLOAD, method: 'pipeline' }, bytes)
      assert.equal(first.text, success(first.json.id, 'Added new', md5(bytes)))
      const second = await upload(crits, UPLOAD, bytes, 'other.exe')
      assert.equal(second.text, success(first.json.id, 'Updated', md5(bytes)))
      const sample = crits.sampleByMd5(md5(bytes))
      assert.equal(sample?.filename, 'drop.exe')
      assert.deepEqual(sample?.filenames, ['other.exe'])
      assert.equal(sample?.description, 'dropped')
      assert.deepEqual(sample?.content?.bytes, bytes)
      assert.deepEqual(
        sample?.sources.map(({ name, instances }) => [name, instances.map(({ method }) => method)]),
        [['Internal', ['File Upload - pipeline', 'File Upload']]],
      )
      assert.deepEqual(crits.violations, [])
    }))

  const refusals: readonly [string, Record<string, string>, Buffer | undefined, string][] = [
    ['an empty file', UPLOAD, Buffer.alloc(0), 'At least MD5 hash is required.'],
    ['no file', UPLOAD, undefined, "Upload type of 'file' but no file uploaded."],
    ['no upload type', { source: 'Internal' }, bytes, 'Must provide an upload type.'],
    ['a bad upload type', { ...UPLOAD, upload_type: 'blob' }, bytes, 'Not a valid upload type.'],
    ['no source', { ...UPLOAD, source: '' }, bytes, 'Missing source information.'],
    [
      'another source',
      { ...UPLOAD, source: 'Other' },
      bytes,
      'User does not have permission to add object using source Other.',
    ],
    ['related_id alone', { ...UPLOAD, related_id: '0'.repeat(24) }, bytes, 'Must specify related_type and related_id'],
    ['related_type alone', { ...UPLOAD, related_type: 'Sample' }, bytes, 'Must specify related_type and related_id'],
    [
      'a malformed MD5',
      { upload_type: 'metadata', source: 'Internal', md5: 'xyz' },
      undefined,
      'The MD5 digest needs to be 32 hex characters.',
    ],
  ]
  for (const [name, fields, content, message] of refusals) {
    test(`with ${name} is refused without an id`, () =>
      withCrits(async crits => {
        const { status, text } = await upload(crits, fields, content)
        assert.deepEqual([status, text], [200, `{"message": "${message}", "type": "Sample", "return_code": 1}`])
        assert.equal(crits.samples.size, 0)
      }))
  }

  test('needs the right to write to the source, and to make samples at all', async () => {
    const user = { name: 'bob', keys: ['k'.repeat(40)], sources: [{ name: 'Internal', write: false }] }
    const refusal = async (users: readonly CritsUser[]) => {
      let message: string | undefined
      await withCrits(
        async crits => {
          message = (await upload(crits, UPLOAD, bytes)).json.message
          assert.equal(crits.samples.size, 0)
        },
        { users },
      )
      return message
    }
    assert.equal(await refusal([user]), 'User does not have permission to add object using source Internal.')
    assert.equal(await refusal([{ ...user, createSamples: false }]), 'User does not have permission to create Object.')
  })

  test('of metadata makes a sample without bytes', () =>
    withCrits(async crits => {
      const digest = '0123456789abcdef0123456789abcdef'
      const fields = { upload_type: 'metadata', source: 'Internal', filename: 'm.exe', md5: digest, description: 'd' }
      const { json, text } = await upload(crits, fields)
      assert.equal(text, success(json.id, 'Added new', digest))
      assert.equal(crits.sampleByMd5(digest)?.content, undefined)
    }))

  test('in a urlencoded form is a bad request', () =>
    withCrits(async crits => {
      const headers = { ...credentials(crits), ...FORM }
      const body = form({ ...UPLOAD, filedata: 'abc' })
      const { status, text } = await exchange(crits.url, { path: '/api/v1/samples/', headers, body })
      assert.deepEqual([status, text], [400, '{"error": "Filedata only supported in multipart forms."}'])
    }))

  test('without a description crashes on a sample that has one', () =>
    withCrits(async crits => {
      const { description: _, ...bare } = UPLOAD
      await upload(crits, UPLOAD, bytes)
      const { status, text } = await upload(crits, bare, bytes)
      assert.equal(status, 500)
      assert.match(text, SORRY)
      await upload(crits, { ...UPLOAD, description: 'more' }, bytes)
      assert.equal(crits.sampleByMd5(md5(bytes))?.description, 'dropped\nmore')
      assert.deepEqual(
        crits.violations.map(({ rule }) => rule),
        ['missing-description'],
      )
    }))

  test('as zip crashes', () =>
    withCrits(async crits => {
      assert.equal((await upload(crits, { ...UPLOAD, file_format: 'zip' }, bytes)).status, 500)
      assert.equal((await upload(crits, { ...UPLOAD, file_format: 'tar' }, bytes)).status, 200)
    }))

  test('with related_id relates both sides, and a file to itself silently not', () =>
    withCrits(async crits => {
      const parent = crits.addSample({ bytes: Buffer.from('parent'), description: 'dropped' })
      const related = { ...UPLOAD, related_id: parent.id, related_type: 'Sample' }
      const { json } = await upload(crits, related, bytes)
      assert.equal(json.return_code, 0)
      assert.deepEqual(parent.relationships, [{ relationship: 'Related To', type: 'Sample', objectId: json.id }])
      assert.deepEqual(crits.sampleByMd5(md5(bytes))?.relationships, [
        { relationship: 'Related To', type: 'Sample', objectId: parent.id },
      ])
      assert.equal((await upload(crits, related, Buffer.from('parent'))).json.return_code, 0)
      assert.equal(parent.relationships.length, 1)
    }))

  for (const [name, related_id, related_type] of [
    ['an unknown related_id', '0'.repeat(24), 'Sample'],
    ['a related_type in lower case', '', 'sample'],
  ] as const) {
    test(`with ${name} is stored with a complaint`, () =>
      withCrits(async crits => {
        const parent = crits.addSample({ bytes: Buffer.from('parent') })
        const { json } = await upload(crits, { ...UPLOAD, related_id: related_id || parent.id, related_type }, bytes)
        assert.equal(json.return_code, 1)
        assert.match(json.message ?? '', /^ Related \w+ not found\. Sample not uploaded\.Success: Added new sample /)
        assert.equal(crits.samples.get(json.id ?? '')?.md5, md5(bytes))
        assert.deepEqual(parent.relationships, [])
      }))
  }

  test('with a bad or empty tlp is stored only where the sample has a source already', () =>
    withCrits(async crits => {
      for (const tlp of ['', 'AMBER', 'purple']) {
        const { json } = await upload(crits, { ...UPLOAD, tlp }, bytes)
        assert.equal(json.return_code, 1)
        assert.match(json.message ?? '', /^The sample does not have a source\./)
        assert.equal(crits.samples.size, 0)
      }
      assert.equal((await upload(crits, { ...UPLOAD, tlp: 'red' }, bytes)).json.return_code, 0)
      assert.equal((await upload(crits, { ...UPLOAD, tlp: 'purple' }, bytes)).json.return_code, 0)
      assert.equal(crits.sampleByMd5(md5(bytes))?.sources[0]?.instances.length, 1)
    }))

  for (const magic of ['a1b2c3d4', 'd4c3b2a1', '4d3cb2a1', 'a1b23c4d', '0a0d0d0a']) {
    test(`that begins with ${magic} becomes a PCAP, which has no sample id`, () =>
      withCrits(async crits => {
        const { json } = await upload(crits, UPLOAD, Buffer.from(`${magic}00`, 'hex'))
        assert.equal(json.return_code, 0)
        assert.match(json.message ?? '', /^Detected a PCAP!/)
        assert.equal('id' in json, false)
        assert.deepEqual([crits.samples.size, crits.pcaps.length], [0, 1])
      }))
  }

  test('of 2015 knows neither PCAPs nor rights on sources nor descriptions', () =>
    withCrits(
      async crits => {
        const { json } = await upload(crits, { upload_type: 'file', source: 'Nowhere' }, Buffer.from('a1b2c3d4', 'hex'))
        assert.equal(json.return_code, 0)
        const related = { ...UPLOAD, related_id: json.id ?? '', related_type: 'Sample' }
        assert.equal((await upload(crits, related, Buffer.from('a1b2c3d4', 'hex'))).json.id, json.id)
        assert.deepEqual(crits.samples.get(json.id ?? '')?.relationships, [])
      },
      { profile: '2015' },
    ))

  test('two at a time of one new file make two samples where the race is on, which is a breach', () =>
    withCrits(
      async crits => {
        const answers = await Promise.all([upload(crits, UPLOAD, bytes), upload(crits, UPLOAD, bytes)])
        assert.equal(new Set(answers.map(({ json }) => json.id)).size, 2)
        assert.equal(crits.sampleByMd5(md5(bytes)), [...crits.samples.values()][0])
        assert.deepEqual(
          crits.violations.map(({ rule }) => rule),
          ['parallel-upload'],
        )
      },
      { uploadRace: true },
    ))

  test('above the keep limit is known by digest and size', () =>
    withCrits(
      async crits => {
        const large = randomBytes(300_000)
        await upload(crits, UPLOAD, large)
        const content = crits.sampleByMd5(md5(large))?.content
        assert.equal(content?.size, large.length)
        assert.equal(content?.sha256, createHash('sha256').update(large).digest('hex'))
        assert.equal(content?.bytes, undefined)
      },
      { keepLimit: 200_000 },
    ))
})
