import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { withScene } from './crits-scene.js'

describe('a breach of the rules', () => {
  const breaches = async (requests: readonly Record<string, string>[]) => {
    const rules: string[] = []
    await withScene(async scene => {
      for (const fields of requests) await scene.post(fields)
      rules.push(...scene.crits.violations.map(({ rule }) => rule))
    })
    return rules
  }
  const row = (subtype: string, type = '{}') => ({ result: 'r', result_type: type, result_subtype: subtype })

  test('is not found in a clean analysis', async () => {
    const clean = [
      row('a', '{"k":1,"l":2}'),
      row('a', '{"l":1,"k":2}'),
      row('b'),
      { log_message: 'x' },
      { finish: '1' },
    ]
    assert.deepEqual(await breaches(clean), [])
  })

  test('is found where rows of a subtype are apart', async () => {
    assert.deepEqual(await breaches([row('a'), row('b'), row('a')]), ['scattered-subtype'])
  })

  test('is found where rows of a subtype have different keys', async () => {
    assert.deepEqual(await breaches([row('a', '{"k":1}'), row('a', '{"l":1}')]), ['unequal-keys'])
  })

  for (const literal of [
    '{"_cls":1}',
    '{"k":[{"_cls":1}]}',
    '{"items":1}',
    '{"result":1}',
    '{"subtype":"a"}',
    '{"a.b":1}',
    '{"$a":1}',
  ]) {
    test(`is found in the key of ${literal}`, async () => {
      assert.deepEqual(await breaches([row('a', literal)]), ['forbidden-result-key'])
    })
  }

  test('is found in a finish that means the opposite and in an unknown log level', async () => {
    assert.deepEqual(await breaches([{ finish: '0' }, { log_message: 'x', log_level: 'fatal' }]), [
      'false-that-means-true',
      'unknown-log-level',
    ])
  })

  test('does not include rows that came twice, which are counted apart', () =>
    withScene(async scene => {
      for (const subtype of ['a', 'a', 'a', 'b']) await scene.post(row(subtype))
      assert.deepEqual(scene.crits.violations, [])
      assert.deepEqual(scene.crits.duplicateResults(scene.analysisId), [
        { subtype: 'a', result: 'r' },
        { subtype: 'a', result: 'r' },
      ])
    }))
})
