// What a certificate says and what it does not claim: fixed sentences, and no others. Word for word those of
// ireu_governance/core/certificate_wording.py; a test compares them.

const SAYS = [
  "The organisation named here recorded a request that this encoder forget the listed cases, together with the tests" +
    " and limits by which that would be judged, before the encoder was changed.",
  "The encoder was then changed by the recorded process, and the result is exactly the files whose digests are listed.",
  "Those files were tested as planned, and the tests gave the recorded results, within the recorded error rates.",
  "All three are entries of one append-only log under one signed checkpoint.",
];
const SAYS_OF_HISTORY =
  "The steps of the requests that are listed as history are entries of the same log under the same checkpoint.";
const DOES_NOT_CLAIM = [
  "That the encoder holds no trace of the persons concerned: no test of a model can show that.",
  "Anything about other models, other copies of this encoder, training data, or pictures that were made earlier.",
  "That this is the latest verification, or that the certificate is not revoked: that is for the log to answer.",
];
const OF_TIMES = "That the recorded times are confirmed by anyone but the organisation itself";

/** Return what a certificate says and what it does not claim. */
export function wording({ history, stamped }) {
  const times = stamped
    ? `${OF_TIMES}: the certificate's time stamps show only that it existed when they were made.`
    : `${OF_TIMES}.`;
  return [history ? [...SAYS, SAYS_OF_HISTORY] : SAYS, [...DOES_NOT_CLAIM, times]];
}
