// What of the libraries goes into hpke.js.
export { CipherSuite, HkdfSha256 } from '@hpke/core';
export { XWing } from '@hpke/hybridkem-x-wing';
