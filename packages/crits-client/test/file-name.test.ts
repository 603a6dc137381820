import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { uploadName } from '../src/file-name.js'

const TABLE: readonly (readonly [claim: string, name: string, uploaded: string])[] = [
  ['a plain name stays', 'drop.exe', 'drop.exe'],
  ['only the part behind the last slash counts', 'C:\\a/b\\drop.exe', 'drop.exe'],
  ['quotes and the ends of HTML entities are replaced', 'a"b&amp;c', 'a_b_amp_c'],
  ['control characters vanish', 'a\r\nb\0\u0085.exe', 'ab.exe'],
  ['spaces around are trimmed', ' a b ', 'a b'],
  ['text beyond ASCII stays', 'größe😀', 'größe😀'],
  ['a lone surrogate is replaced', 'a\ud800', 'a\ufffd'],
  ['a name that ends in a backslash becomes the fallback', 'C:\\temp\\', 'md5'],
  ['an empty name becomes the fallback', '', 'md5'],
  ['a long name is cut to 200 bytes between characters', '😀'.repeat(60), '😀'.repeat(50)],
]

describe('uploadName', () => {
  for (const [claim, name, uploaded] of TABLE) it(claim, () => assert.equal(uploadName(name, 'md5'), uploaded))
})
