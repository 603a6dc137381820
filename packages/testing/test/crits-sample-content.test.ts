import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import type { CritsStandIn } from '../src/crits/server.js'
import { credentials, exchange, withCrits } from './crits-http.js'

const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex')

describe('reading a sample', () => {
  const bytes = randomBytes(500_000)
  const get = (crits: CritsStandIn, path: string) =>
    exchange(crits.url, { method: 'GET', path: `/api/v1/samples/${path}`, headers: credentials(crits) })

  test('gives its bytes as base64 in JSON of the announced length', () =>
    withCrits(async crits => {
      for (const content of [bytes, bytes.subarray(1), Buffer.alloc(0)]) {
        const { id } = crits.addSample({ bytes: content, name: 'ü".exe' })
        const { status, headers, bytes: answer, text } = await get(crits, `${id}/`)
        assert.deepEqual([status, headers['content-type']], [200, 'application/json'])
        assert.equal(Number(headers['content-length']), answer.length)
        assert.match(text, /^[ -~]*$/)
        const json: { _id: string; md5: string; filename: string; filedata: string } = JSON.parse(text)
        assert.deepEqual([json._id, json.md5, json.filename], [id, md5(content), 'ü".exe'])
        assert.deepEqual(Buffer.from(json.filedata, 'base64'), content)
      }
    }))

  test('that is unknown, malformed or not visible is an empty 404', async () => {
    const key = 'k'.repeat(40)
    const users = [{ name: 'bob', keys: [key], sources: [{ name: 'Internal', tlp: 'green' as const }] }]
    await withCrits(
      async crits => {
        const amber = crits.addSample({ bytes, source: 'Internal' }).id
        const other = crits.addSample({ bytes: Buffer.from('o'), source: 'Other' }).id
        for (const id of ['0'.repeat(24), 'abc', amber, other]) {
          const { status, headers, text } = await get(crits, `${id}/`)
          assert.deepEqual([status, headers['content-type'], text], [404, 'text/html; charset=utf-8', ''])
        }
      },
      { users },
    )
  })

  test('as a file gives a ZIP whose only entry is the encrypted content under its MD5', () =>
    withCrits(
      async crits => {
        const { id } = crits.addSample({ bytes })
        const { headers, bytes: zip } = await get(crits, `${id}/?file=1`)
        assert.equal(headers['content-type'], 'application/octet-stream; charset=utf-8')
        assert.equal(headers['content-disposition'], undefined)
        const { name, content } = openZip(zip, 'infected')
        assert.equal(name, md5(bytes))
        assert.deepEqual(content, bytes)
        const inverted = openZip((await get(crits, `${id}/?file=1&file_format=invert`)).bytes, 'infected')
        assert.equal(inverted.content[0], 255 - (bytes[0] ?? 0))
      },
      { zipWait: 1 },
    ))

  test('as a file without content is a 200 with a text', () =>
    withCrits(async crits => {
      const { id } = crits.addSample({ bytes: Buffer.alloc(0) })
      const { status, headers, text } = await get(crits, `${id}/?file=1`)
      assert.deepEqual([status, text], [200, 'No files found!'])
      assert.equal(headers['content-type'], 'application/octet-stream; charset=utf-8')
    }))
})

/** Decrypts an archive with one stored entry, after the description of PKWARE's APPNOTE.TXT 6.1. */
function openZip(zip: Buffer, password: string): { name: string; content: Buffer } {
  assert.equal(zip.readUInt32LE(0), 0x04034b50)
  assert.equal(zip.readUInt32LE(zip.length - 22), 0x06054b50)
  assert.equal(zip.readUInt32LE(zip.readUInt32LE(zip.length - 6)), 0x02014b50)
  assert.deepEqual([zip.readUInt16LE(6) & 1, zip.readUInt16LE(8)], [1, 0])
  const start = 30 + zip.readUInt16LE(26)
  const sealed = zip.subarray(start, start + zip.readUInt32LE(18))
  const crc = (value: number, byte: number) => {
    let next = (value ^ byte) >>> 0
    for (let bit = 0; bit < 8; bit++) next = next & 1 ? (next >>> 1) ^ 0xedb88320 : next >>> 1
    return next >>> 0
  }
  let [a, b, c] = [0x12345678, 0x23456789, 0x34567890]
  const turn = (byte: number) => {
    a = crc(a, byte)
    b = (Math.imul((b + (a & 255)) | 0, 134775813) + 1) >>> 0
    c = crc(c, b >>> 24)
  }
  for (const byte of Buffer.from(password)) turn(byte)
  const plain = sealed.map(byte => {
    const mix = (c | 2) & 0xffff
    const open = byte ^ (((mix * (mix ^ 1)) >>> 8) & 255)
    turn(open)
    return open
  })
  assert.equal(plain[11], zip.readUInt32LE(14) >>> 24)
  return { name: zip.toString('utf8', 30, start), content: Buffer.from(plain.subarray(12)) }
}
