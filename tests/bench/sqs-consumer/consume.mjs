// Handles a number of messages of a queue with sqs-consumer, and prints what it took.
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { SQSClient } from "@aws-sdk/client-sqs";
import { Consumer } from "sqs-consumer";

const [endpoint, queueUrl, messages] = process.argv.slice(2);
const sqs = new SQSClient({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
});
let handled = 0;
let started;
let cpu;

const handle = (message) => {
  started ??= performance.now();
  cpu ??= process.cpuUsage();
  const event = JSON.parse(message.Body);
  if (typeof event.data.cents !== "number") throw new Error("not an order");
  handled += 1;
  if (handled === Number(messages)) setImmediate(finish);
};

// Several consumers in one process: each receives, handles and deletes its batches in turn.
const consumers = Array.from({ length: 8 }, () =>
  Consumer.create({
    queueUrl,
    sqs,
    batchSize: 10,
    waitTimeSeconds: 1,
    handleMessageBatch: async (batch) => {
      batch.forEach(handle);
      return batch;
    },
  }),
);

async function finish() {
  const seconds = (performance.now() - started) / 1000;
  consumers.forEach((consumer) => consumer.stop());
  // Its deletions are under way.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const used = process.cpuUsage(cpu);
  const status = readFileSync("/proc/self/status", "utf8");
  const kib = (name) => Number(status.match(new RegExp(`${name}:\\s+(\\d+) kB`))[1]);
  console.log(
    JSON.stringify({
      messages: handled,
      seconds,
      cpu_seconds: (used.user + used.system) / 1e6,
      resident_mb: kib("VmRSS") / 1024,
    }),
  );
  process.exit(0);
}

consumers.forEach((consumer) => {
  consumer.on("error", (error) => console.error(error));
  consumer.on("processing_error", (error) => console.error(error));
  consumer.start();
});
