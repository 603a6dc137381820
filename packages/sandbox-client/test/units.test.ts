// The numbers of the keys that several services take from here.
import assert from 'node:assert/strict'
import { fakeClock, testUnits } from '@cuckoo-distributed/testing'
import { rateOf, requestsPerMinuteKey } from '../src/config.js'
import { Pace } from '../src/pace.js'

testUnits(
  'a sandbox',
  { properties: { RequestsPerMinute: requestsPerMinuteKey(1) } },
  {
    rows: {
      async RequestsPerMinute(t) {
        const clock = fakeClock(t)
        const perMinute = rateOf(3)
        assert.ok(perMinute)
        const pace = new Pace(perMinute)
        let taken = 0
        const { signal } = new AbortController()
        for (let n = 0; n < 7; n += 1) {
          void pace.take(signal).then(() => {
            taken += 1
          })
        }
        const seen: number[] = []
        for (const ms of [59_999, 1, 59_999, 1]) {
          await clock.pass(ms)
          seen.push(taken)
        }
        assert.deepEqual(seen, [3, 6, 6, 7])
        assert.equal(rateOf('staff'), undefined)
      },
    },
  },
)
