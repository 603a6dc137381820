import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { withCrits } from './crits-http.js'
import { upload } from './crits-scene.js'

const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex')
const UPLOAD = { upload_type: 'file', source: 'Internal', description: 'dropped' }

describe('the name of an uploaded file', () => {
  const names: readonly [string, string][] = [
    ['näme ü.exe', 'näme ü.exe'],
    ['..\\..\\a.exe', 'a.exe'],
    ['/tmp/x/b.exe', 'b.exe'],
    ['  a &amp; b&#x41;.exe ', 'a & bA.exe'],
    ['a%22b.exe', 'a%22b.exe'],
    [`${'l'.repeat(300)}.exe`, `${'l'.repeat(251)}.exe`],
  ]
  for (const [sent, expected] of names) {
    test(`${sent.slice(0, 20)} becomes ${expected.slice(0, 20)}`, () =>
      withCrits(async crits => {
        const { json } = await upload(crits, UPLOAD, Buffer.from('x'), sent)
        assert.equal(crits.samples.get(json.id ?? '')?.filename, expected)
      }))
  }

  test('ending in a backslash is no file, and a crash in 2015', async () => {
    await withCrits(async crits => {
      const { json } = await upload(crits, UPLOAD, Buffer.from('x'), 'a\\')
      assert.equal(json.message, "Upload type of 'file' but no file uploaded.")
    })
    await withCrits(async crits => assert.equal((await upload(crits, UPLOAD, Buffer.from('x'), 'a\\')).status, 500), {
      profile: '2015',
    })
  })

  for (const filename of ['', 'none']) {
    test(`${filename || 'empty'} makes the file a text field, in which bytes do not survive`, () =>
      withCrits(async crits => {
        assert.equal((await upload(crits, UPLOAD, Buffer.from([0x4d, 0x5a, 0xff]), filename)).status, 500)
        const { json } = await upload(crits, UPLOAD, Buffer.from('text'), filename)
        assert.equal(crits.samples.get(json.id ?? '')?.filename, md5(Buffer.from('text')))
        const breaches = filename === '' ? ['empty-filename', 'empty-filename'] : []
        assert.deepEqual(
          crits.violations.map(({ rule }) => rule),
          breaches,
        )
      }))
  }

  for (const [profile, expected] of [
    ['master', 'ü.exe'],
    ['stable', 'plain.exe'],
  ] as const) {
    test(`of filename* is ${expected} on ${profile}, and a breach`, () =>
      withCrits(
        async crits => {
          const { json } = await upload(crits, UPLOAD, Buffer.from('x'), `plain.exe"; filename*=UTF-8''%C3%BC.exe; x="`)
          assert.equal(crits.samples.get(json.id ?? '')?.filename, expected)
          assert.deepEqual(
            crits.violations.map(({ rule }) => rule),
            ['extended-filename'],
          )
        },
        { profile },
      ))
  }
})
