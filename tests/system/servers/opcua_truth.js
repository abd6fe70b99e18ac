// What opcua.js has with --truth: variables whose every value says which it is and when it was so, so that a wrong one is
// known by itself. Its other half, which judges them, is shoptwin.testing.faults.opcua.
//
// The generation is the number of periods of GENERATION ms since --truth (ms since 1970, a clock that both have); value,
// status and source time of a variable are functions of its number and the generation.
//
// The variables from FAST on change rarely: twice in each SLOT ms, shortly one after the other, at moments drawn from the
// number and the slot, and stay as they are for the rest of it. Their source time is the change's, in whole seconds.
"use strict";

const { DataType, Variant, VariantArrayType } = require("node-opcua-variant");
const { StatusCodes } = require("node-opcua-status-code");
const { DataValue } = require("node-opcua-data-value");

const GENERATION = 20;
const SAMPLES = 64;
const FAST = 18;
const COUNT = 78;
const SLOT = 6000;

const scalar = (dataType, value) => ({ dataType, arrayType: VariantArrayType.Scalar, value });
const KINDS = [
  (n, g) => scalar(DataType.Double, 64 * g + n + 0.5),
  (n, g) => scalar(DataType.UInt32, 64 * g + n),
  (n, g) => scalar(DataType.Int64, [256, 64 * g + n]), // node-opcua keeps 64 bits as [high, low]
  (n, g) => scalar(DataType.String, `${n}:${g}`),
  (n, g) => ({
    dataType: DataType.Float, arrayType: VariantArrayType.Array,
    value: Float32Array.from({ length: SAMPLES }, (_, i) => (i === 0 ? g : i === 1 ? n : (7 * g + 131 * n + 17 * i) % 8192)),
  }),
  (n, g) => scalar(DataType.Double, 64 * g + n + 0.25), // in a bad mood at times
];
const MOODY = KINDS.length - 1;

function statusOf(n, g) {
  if (n % KINDS.length !== MOODY) return StatusCodes.Good;
  const mood = (g + n) % 5;
  return mood === 0 ? StatusCodes.BadSensorFailure : mood === 1 ? StatusCodes.UncertainLastUsableValue : StatusCodes.Good;
}

const STEADY = [
  (n, c) => scalar(DataType.Double, 1024 * c + n + 0.5),
  (n, c) => scalar(DataType.UInt32, 1024 * c + n),
  (n, c) => scalar(DataType.String, `${n}:${c}`),
];

function drawn(n, k) {
  let h = Math.imul(n + 1, 0x9e3779b1) ^ Math.imul(k + 1, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  return (h ^ (h >>> 12)) >>> 0;
}

// When change c comes, in ms from `since` on; the first is 1.
function momentOf(n, c) {
  const slot = Math.floor((c - 1) / 2);
  const first = slot * SLOT + (drawn(n, 2 * slot) % (SLOT / 2));
  return (c - 1) % 2 ? first + 50 + (drawn(n, 2 * slot + 1) % 700) : first;
}

function changesOf(n, at) {
  const c = 2 * Math.floor(at / SLOT);
  return c + (momentOf(n, c + 1) <= at) + (momentOf(n, c + 2) <= at);
}

function steadyOf(n, since) {
  const c = changesOf(n, Date.now() - since);
  return new DataValue({
    value: new Variant(STEADY[n % STEADY.length](n, c)),
    statusCode: StatusCodes.Good,
    sourceTimestamp: new Date(Math.floor((since + (c ? momentOf(n, c) : 0)) / 1000) * 1000),
    serverTimestamp: new Date(),
  });
}

function valueOf(n, since) {
  const g = Math.floor((Date.now() - since) / GENERATION);
  return new DataValue({
    value: new Variant(KINDS[n % KINDS.length](n, g)),
    statusCode: statusOf(n, g),
    sourceTimestamp: new Date(since + g * GENERATION),
    serverTimestamp: new Date(),
  });
}

exports.COUNT = COUNT;

// Adds the variables `first` to `last - 1` of a namespace, with the numbers that come `shift` after theirs.
exports.addTruth = (namespace, since, first, last, shift) => {
  for (let i = first; i < last; i++) {
    const n = i + shift;
    const steady = n % COUNT >= FAST;
    const { dataType, arrayType } = (steady ? STEADY[n % STEADY.length] : KINDS[n % KINDS.length])(n, 0);
    const isArray = arrayType === VariantArrayType.Array;
    const node = namespace.addVariable({
      organizedBy: "ObjectsFolder", browseName: `t${i}`, nodeId: `s=t${i}`, dataType, valueRank: isArray ? 1 : -1,
      minimumSamplingInterval: 10, value: { timestamped_get: () => (steady ? steadyOf : valueOf)(n, since) },
    });
    if (isArray)
      namespace.addVariable({
        propertyOf: node, browseName: "SamplingRate", dataType: DataType.Double,
        value: { dataType: DataType.Double, value: 1000 },
      });
  }
};
