// The configuration key of the services that stage files.
import Type from 'typebox'

export const TmpDir = Type.String({
  default: '',
  description: 'Directory for samples and archives on their way; empty = the temporary directory of the system',
})
