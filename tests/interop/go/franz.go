package main

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

var franzCodecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

func franzSmoke(bootstrap, topic, group string, count int, codec string) (result, error) {
	var out result
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()

	producer, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ProducerBatchCompression(franzCodecs[codec]), kgo.ProducerLinger(5*time.Millisecond))
	if err != nil {
		return out, err
	}
	defer producer.Close()
	places := map[string]string{} // key to partition@offset
	var lock sync.Mutex
	var failed error
	for number := 0; number < count; number++ {
		key := fmt.Sprintf("key-%d", number)
		record := &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte("value of " + key), Headers: []kgo.RecordHeader{{Key: "n", Value: []byte(strconv.Itoa(number))}}}
		producer.Produce(ctx, record, func(done *kgo.Record, err error) {
			lock.Lock()
			defer lock.Unlock()
			if err != nil {
				failed = err
				return
			}
			places[string(done.Key)] = fmt.Sprintf("%d@%d", done.Partition, done.Offset)
		})
	}
	if err := producer.Flush(ctx); err != nil {
		return out, err
	}
	if failed != nil {
		return out, failed
	}
	out.Acknowledged = len(places)

	// both members have partitions before either reads
	seen := map[string]bool{}
	out.Members = make([]int, 2)
	var members [2]*kgo.Client
	var assigned [2]chan struct{}
	for number := range members {
		assigned[number] = make(chan struct{})
		var once sync.Once
		members[number], err = kgo.NewClient(
			kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
			kgo.HeartbeatInterval(300*time.Millisecond),
			kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, added map[string][]int32) {
				if len(added[topic]) > 0 {
					once.Do(func() { close(assigned[number]) })
				}
			}),
		)
		if err != nil {
			return out, err
		}
		defer members[number].Close()
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var wait sync.WaitGroup
	for number, member := range members {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for _, ready := range assigned {
				select {
				case <-ready:
				case <-reading.Done():
					return
				}
			}
			for reading.Err() == nil {
				fetches := member.PollFetches(reading)
				lock.Lock()
				fetches.EachRecord(func(record *kgo.Record) {
					key := string(record.Key)
					if seen[key] {
						out.Twice++
					}
					seen[key] = true
					if string(record.Value) != "value of "+key || len(record.Headers) != 1 || places[key] != fmt.Sprintf("%d@%d", record.Partition, record.Offset) {
						out.Changed++
					}
					out.Members[number]++
				})
				finished := len(seen) == count
				lock.Unlock()
				if err := member.CommitUncommittedOffsets(ctx); err != nil && reading.Err() == nil {
					lock.Lock()
					failed = err
					lock.Unlock()
				}
				member.AllowRebalance()
				if finished || failed != nil {
					stop()
				}
			}
		}()
	}
	wait.Wait()
	out.Read = len(seen)
	if failed != nil {
		return out, failed
	}
	offsets, err := kadm.NewClient(producer).FetchOffsets(ctx, group)
	if err != nil {
		return out, err
	}
	offsets.Each(func(offset kadm.OffsetResponse) { out.Committed += offset.At })
	return out, nil
}

func franzCopy(bootstrap, input, output, group string, count int) (copied, error) {
	var out copied
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(bootstrap), kgo.TransactionalID(group+"-franz-go"), kgo.DefaultProduceTopic(output),
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(input), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RequireStableFetchOffsets(),
	)
	if err != nil {
		return out, err
	}
	defer session.Close()
	for turn := 1; out.Committed < count; turn++ {
		fetches := session.PollRecords(ctx, 100)
		if err := fetches.Err0(); err != nil {
			return out, err
		}
		if fetches.NumRecords() == 0 {
			continue
		}
		if err := session.Begin(); err != nil {
			return out, err
		}
		var failed kgo.FirstErrPromise
		fetches.EachRecord(func(record *kgo.Record) {
			session.Produce(ctx, &kgo.Record{Key: record.Key, Value: bytes.ToUpper(record.Value)}, failed.Promise())
		})
		// what is aborted was written before, so that there is something to be left out
		if err := session.Client().Flush(ctx); err != nil {
			return out, err
		}
		end := kgo.TryCommit
		if turn%3 == 0 {
			end = kgo.TryAbort
		}
		committed, err := session.End(ctx, end)
		if err == nil {
			err = failed.Err()
		}
		if err != nil {
			return out, err
		}
		if committed {
			out.Committed += fetches.NumRecords()
		} else {
			out.Aborted++
		}
	}
	return out, nil
}
