import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkUrl, parseBaseUrl, UrlError, urlProblems } from '../src/index.js'

describe('an allow-list', () => {
  for (const [url, entry] of [
    ['http://h/a', 'http://h/a'],
    ['http://h/a/', 'http://h/a'],
    ['http://h/a/b', 'http://h/a'],
    ['http://h/a/b', 'http://h/a/'],
    ['http://h/a', 'http://h'],
    ['http://h:80', 'http://h/'],
    ['HTTPS://H:443/a', 'https://h/a'],
    ['http://h/a/../b', 'http://h/b'],
  ] as const) {
    test(`${entry} allows ${url}`, () =>
      assert.equal(checkUrl(url, ['http://other', entry].map(parseBaseUrl)).hostname, 'h'))
  }

  for (const [url, entry] of [
    ['http://h/ab', 'http://h/a'],
    ['http://h/', 'http://h/a'],
    ['http://h/a/../b', 'http://h/a'],
    ['http://h/a/%2e%2e/b', 'http://h/a'],
    ['http://h/a/..%2fb', 'http://h/a'],
    ['http://h/a/..%5Cb', 'http://h/a'],
    ['http://h\\@evil/a', 'http://evil/a'],
    ['https://h/a', 'http://h/a'],
    ['http://h:81/a', 'http://h/a'],
    ['http://h.evil/a', 'http://h/a'],
    ['http://h./a', 'http://h/a'],
    ['http://evil/?http://h/a', 'http://h/a'],
  ] as const) {
    test(`${entry} does not allow ${url}`, () =>
      assert.throws(() => checkUrl(url, [parseBaseUrl(entry)]), { code: 'URL_NOT_ALLOWED', permanent: true }))
  }

  test('the URL to use has the user info of the entry that allows it', () => {
    const allowed = ['http://x:y@other', 'http://user:p%40ss@h/a'].map(parseBaseUrl)
    assert.equal(checkUrl('http://h/a/b/', allowed).href, 'http://user:p%40ss@h/a/b')
  })
})

describe('an empty list', () => {
  test('allows any http or https URL', () => {
    assert.equal(checkUrl('http://h:8090/x', []).href, 'http://h:8090/x')
    assert.equal(checkUrl('https://h', []).href, 'https://h/')
  })

  for (const url of [
    'http://u:pw@h/',
    'http://pw@h/',
    'http://:pw@h/',
    'ftp://h/',
    'file:///pw',
    'h:pw',
    'pw',
    '',
    'http://h/?pw',
    'http://u:1/pw@h',
    'http://u:a@pw/b@h',
    'http://pw:1#x@h',
    'http://pw:1/x@h',
    'http://pw/x?@h',
  ]) {
    test(`does not allow ${url || 'an empty text'}, and does not quote it`, () => {
      assert.throws(
        () => checkUrl(url, []),
        (error: unknown) =>
          error instanceof UrlError && error.code === 'URL_NOT_ALLOWED' && !error.message.includes('pw'),
      )
    })
  }
})

describe('the URLs of a configuration', () => {
  test('are fine when empty or usable', () => {
    assert.deepEqual(urlProblems({ A: '', B: [], C: ['', 'http://u:p@h/a/'], D: 'https://h' }), [])
    assert.deepEqual(urlProblems({ A: 'http://h' }, { userInfo: 'refused' }), [])
  })

  test('are named by their key when they are not, and not shown', () => {
    const problems = urlProblems({
      A: 'ftp://u:pw@h',
      B: ['http://h', 'http://u:1/pw@h', 'http://h/?pw', 'http://h/#pw'],
    })
    assert.deepEqual(
      problems.map(problem => problem.slice(0, 4)),
      ['"A":', '"B":', '"B":', '"B":'],
    )
    assert.doesNotMatch(problems.join(), /pw/)
  })

  test('have no user info where it would have no effect', () => {
    for (const url of ['http://u@h', 'http://:pw@h', 'http://u:pw@h'])
      assert.deepEqual(urlProblems({ A: url }, { userInfo: 'refused' }), ['"A": user and password have no effect here'])
  })
})
