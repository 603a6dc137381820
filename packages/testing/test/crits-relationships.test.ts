import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { CritsStandIn } from '../src/crits/server.js'
import { credentials, exchange, FORM, form, withCrits } from './crits-http.js'

describe('PATCH forge_relationship', () => {
  const forge = async (crits: CritsStandIn, left: string, fields: Record<string, string>) => {
    const headers = { ...credentials(crits), ...FORM }
    const path = `/api/v1/samples/${left}/`
    const { status, text } = await exchange(crits.url, { method: 'PATCH', path, headers, body: form(fields) })
    return [status, text]
  }
  const said = (id: string, message: string, code: number) => [
    200,
    `{"message": "${message}", "type": "Sample", "return_code": ${code}, "id": "${id}"}`,
  ]
  const scene = (crits: CritsStandIn) => {
    const left = crits.addSample({ bytes: Buffer.from('left') })
    const right = crits.addSample({ bytes: Buffer.from('right') })
    const fields = { action: 'forge_relationship', right_type: 'Sample', right_id: right.id, rel_type: 'Dropped' }
    return { left, right, fields }
  }

  test('stores the type on the left and its inverse on the right, once', () =>
    withCrits(async crits => {
      const { left, right, fields } = scene(crits)
      assert.deepEqual(await forge(crits, left.id, fields), said(left.id, 'success!', 0))
      assert.deepEqual(await forge(crits, left.id, fields), said(left.id, 'Relationship already exists', 1))
      assert.deepEqual(left.relationships, [{ relationship: 'Dropped', type: 'Sample', objectId: right.id }])
      assert.deepEqual(right.relationships, [{ relationship: 'Dropped By', type: 'Sample', objectId: left.id }])
    }))

  test('repairs a missing side', () =>
    withCrits(async crits => {
      const { left, right, fields } = scene(crits)
      left.relationships.push({ relationship: 'Dropped', type: 'Sample', objectId: right.id })
      assert.deepEqual(await forge(crits, left.id, fields), said(left.id, 'success!', 0))
      assert.deepEqual([left.relationships.length, right.relationships.length], [1, 1])
    }))

  test('is refused with the texts of CRITs', () =>
    withCrits(async crits => {
      const { left, fields } = scene(crits)
      const cases: readonly [Record<string, string>, string][] = [
        [{ right_id: left.id }, 'Cannot forge relationship to oneself'],
        [{ rel_type: 'Nonsense' }, 'Could not find relationship type'],
        [{ rel_type: 'Related_To' }, 'Could not find relationship type'],
        [{ right_id: '0'.repeat(24) }, 'Failed to get right TLO'],
        [{ right_id: '' }, 'Failed to get right TLO'],
        [{ right_id: 'abc' }, 'Failed to get right TLO'],
        [{ right_type: 'Foo' }, 'Failed to get right TLO'],
        [{ action: 'nonsense' }, "'nonsense' is not a valid action."],
      ]
      for (const [change, message] of cases) {
        assert.deepEqual(await forge(crits, left.id, { ...fields, ...change }), said(left.id, message, 1))
      }
      assert.deepEqual(
        await forge(crits, left.id, { right_type: 'Sample' }),
        said(left.id, "'None' is not a valid action.", 1),
      )
      assert.deepEqual(left.relationships, [])
    }))

  test('has other texts in 2015, where a sample may relate to itself', () =>
    withCrits(
      async crits => {
        const { left, fields } = scene(crits)
        assert.deepEqual(
          await forge(crits, left.id, { ...fields, right_id: '0'.repeat(24) }),
          said(left.id, 'Failed to get right object', 1),
        )
        assert.deepEqual(
          await forge(crits, left.id, { ...fields, right_id: '' }),
          said(left.id, 'Need a valid right type and id', 1),
        )
        assert.deepEqual(
          await forge(crits, left.id, { ...fields, right_id: left.id, rel_type: 'Related To' }),
          said(left.id, 'success!', 0),
        )
      },
      { profile: '2015' },
    ))

  test('on an unknown sample is an empty 404', () =>
    withCrits(async crits => {
      const { fields } = scene(crits)
      assert.deepEqual(await forge(crits, '0'.repeat(24), fields), [404, ''])
    }))
})
