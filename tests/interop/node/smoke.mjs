// Produces to a topic and reads it back with a consumer group of two, through kafkajs.
//
//   node smoke.mjs BOOTSTRAP TOPIC GROUP COUNT
//
// The topic must exist and be empty. Two members join the group; then COUNT records are produced idempotently with
// acks=all, one half of them with gzip, and read by the two. Prints one JSON object, the same as ../go does.
import kafkajs from "kafkajs";

const { Kafka, CompressionTypes, logLevel } = kafkajs;
const [bootstrap, topic, group, countText] = process.argv.slice(2);
const count = Number(countText);
const kafka = new Kafka({ clientId: "smoke", brokers: [bootstrap], logLevel: logLevel.ERROR, retry: { initialRetryTime: 100, retries: 12 } });
const result = { acknowledged: 0, read: 0, twice: 0, changed: 0, members: [0, 0], committed: 0 };

const seen = new Set();
let finish;
const finished = new Promise((resolve) => (finish = resolve));
const joined = [];
const members = [0, 1].map(() => kafka.consumer({ groupId: group, sessionTimeout: 10000, rebalanceTimeout: 10000, heartbeatInterval: 300, maxWaitTimeInMs: 200 }));
let begun;
const both = new Promise((resolve) => (begun = resolve));
for (const [number, member] of members.entries()) {
  await member.connect();
  await member.subscribe({ topic, fromBeginning: true });
  member.on(member.events.GROUP_JOIN, ({ payload }) => {
    joined[number] = (payload.memberAssignment[topic] ?? []).length;
    if (joined[0] > 0 && joined[1] > 0) begun();
  });
  await member.run({
    autoCommitThreshold: 50,
    eachMessage: async ({ message }) => {
      const key = message.key.toString();
      if (seen.has(key)) result.twice++;
      seen.add(key);
      if (message.value.toString() !== `value of ${key}` || `key-${message.headers.n}` !== key) result.changed++;
      result.members[number]++;
      if (seen.size === count) finish();
    },
  });
}
// records come when both have partitions, so that each reads some
await Promise.race([both, new Promise((resolve) => setTimeout(resolve, 30000).unref())]);
const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
await producer.connect();
for (let first = 0; first < count; first += 100) {
  const messages = [];
  for (let number = first; number < Math.min(first + 100, count); number++) {
    messages.push({ key: `key-${number}`, value: `value of key-${number}`, headers: { n: String(number) } });
  }
  const compression = (first / 100) % 2 ? CompressionTypes.GZIP : CompressionTypes.None;
  const answers = await producer.send({ topic, acks: -1, compression, messages });
  if (answers.every((answer) => answer.errorCode === 0)) result.acknowledged += messages.length;
}
await producer.disconnect();

const tooLong = setTimeout(() => {
  console.error(`after 60 s: ${seen.size} of ${count} records, partitions of the members: ${joined}`);
  process.exit(1);
}, 60000);
await finished;
clearTimeout(tooLong);
await Promise.all(members.map((member) => member.disconnect()));
result.read = seen.size;

const admin = kafka.admin();
await admin.connect();
const [offsets] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
result.committed = offsets.partitions.reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
await admin.disconnect();
console.log(JSON.stringify(result));
