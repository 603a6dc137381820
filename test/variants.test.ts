// Services that are made worse, or faster, on purpose are built from the code as it is: what is replaced must still be there.
import { test } from 'node:test'
import { CLUSTER_MUTATIONS, MUTATIONS } from './faults/mutants.js'
import { changed, HURRIED, HURRIED_CLUSTER } from './faults/variant.js'

for (const { name, changes } of [...MUTATIONS, ...CLUSTER_MUTATIONS])
  test(`the mutation fits: ${name}`, async () => void (await changed(changes)))

for (const [service, changes] of Object.entries({ ...HURRIED, distributed_cuckoo: HURRIED_CLUSTER }))
  test(`short deadlines fit: ${service}`, async () => void (await changed(changes)))
