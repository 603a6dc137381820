// The configuration key of the services that stage files.
import Type from 'typebox'

export const TmpDir = Type.String({
  default: '',
  description: 'Directory for temporary files (samples, archives); empty = the temporary directory of the system',
})
