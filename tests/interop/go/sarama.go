package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

var saramaCodecs = map[string]sarama.CompressionCodec{
	"none":   sarama.CompressionNone,
	"gzip":   sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy,
	"lz4":    sarama.CompressionLZ4,
	"zstd":   sarama.CompressionZSTD,
}

func saramaConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Net.MaxOpenRequests = 1
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Flush.Frequency = 5 * time.Millisecond
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	config.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	config.Consumer.Return.Errors = true
	return config
}

// member is one consumer of a group; each record it gets goes to `take` on the goroutine of its partition.
type member struct {
	assigned func()
	take     func(sarama.ConsumerGroupSession, sarama.ConsumerGroupClaim) error
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	for _, partitions := range session.Claims() {
		if len(partitions) > 0 {
			m.assigned()
		}
	}
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	return m.take(session, claim)
}

// consume runs one member until the context ends.
func (m *member) consume(ctx context.Context, bootstrap, group, topic string) error {
	consumer, err := sarama.NewConsumerGroup([]string{bootstrap}, group, saramaConfig())
	if err != nil {
		return err
	}
	defer consumer.Close()
	go func() {
		for range consumer.Errors() { // a closed coordinator connection at the end is no failure
		}
	}()
	for ctx.Err() == nil {
		if err := consumer.Consume(ctx, []string{topic}, m); err != nil && !errors.Is(err, sarama.ErrClosedConsumerGroup) && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func saramaSmoke(bootstrap, topic, group string, count int, codec string) (result, error) {
	out := result{Members: make([]int, 2)}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	config := saramaConfig()
	config.Producer.Compression = saramaCodecs[codec]
	producer, err := sarama.NewSyncProducer([]string{bootstrap}, config)
	if err != nil {
		return out, err
	}
	defer producer.Close()
	places := map[string]string{}
	messages := make([]*sarama.ProducerMessage, count)
	for number := range messages {
		key := fmt.Sprintf("key-%d", number)
		messages[number] = &sarama.ProducerMessage{
			Topic: topic, Key: sarama.StringEncoder(key), Value: sarama.StringEncoder("value of " + key),
			Headers: []sarama.RecordHeader{{Key: []byte("n"), Value: []byte(strconv.Itoa(number))}},
		}
	}
	if err := producer.SendMessages(messages); err != nil {
		return out, err
	}
	for _, message := range messages {
		key, _ := message.Key.Encode()
		places[string(key)] = fmt.Sprintf("%d@%d", message.Partition, message.Offset)
	}
	out.Acknowledged = len(places)

	seen := map[string]bool{}
	var lock sync.Mutex
	var both sync.WaitGroup // neither reads before both have partitions
	both.Add(2)
	reading, stop := context.WithCancel(ctx)
	defer stop()
	failures := make(chan error, 2)
	for number := range 2 {
		var once sync.Once
		one := &member{assigned: func() { once.Do(both.Done) }}
		one.take = func(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
			ready := make(chan struct{})
			go func() { both.Wait(); close(ready) }()
			select {
			case <-ready:
			case <-session.Context().Done():
				return nil
			}
			for {
				select {
				case record, open := <-claim.Messages():
					if !open {
						return nil
					}
					key := string(record.Key)
					lock.Lock()
					if seen[key] {
						out.Twice++
					}
					seen[key] = true
					if string(record.Value) != "value of "+key || len(record.Headers) != 1 || places[key] != fmt.Sprintf("%d@%d", record.Partition, record.Offset) {
						out.Changed++
					}
					out.Members[number]++
					finished := len(seen) == count
					lock.Unlock()
					session.MarkMessage(record, "")
					if record.Offset+1 == claim.HighWaterMarkOffset() {
						session.Commit()
					}
					if finished {
						stop()
					}
				case <-session.Context().Done():
					return nil
				}
			}
		}
		go func() { failures <- one.consume(reading, bootstrap, group, topic) }()
	}
	for range 2 {
		if err := <-failures; err != nil {
			return out, err
		}
	}
	if ctx.Err() != nil {
		return out, fmt.Errorf("after 60 s: %d of %d records", len(seen), count)
	}
	out.Read = len(seen)
	admin, err := sarama.NewClusterAdmin([]string{bootstrap}, saramaConfig())
	if err != nil {
		return out, err
	}
	defer admin.Close()
	offsets, err := admin.ListConsumerGroupOffsets(group, nil)
	if err != nil {
		return out, err
	}
	for _, block := range offsets.Blocks[topic] {
		out.Committed += max(0, block.Offset)
	}
	return out, nil
}

func saramaCopy(bootstrap, input, output, group string, count int) (copied, error) {
	var out copied
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	config := saramaConfig()
	config.Producer.Transaction.ID = group + "-sarama"
	producer, err := sarama.NewAsyncProducer([]string{bootstrap}, config)
	if err != nil {
		return out, err
	}
	defer producer.Close()
	go func() {
		for range producer.Successes() {
		}
	}()
	var lock sync.Mutex // one transaction at a time, whatever partition it is of
	turn := 0
	one := &member{assigned: func() {}}
	one.take = func(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
		batch := []*sarama.ConsumerMessage{}
		for {
			select {
			case record, open := <-claim.Messages():
				if !open {
					return nil
				}
				batch = append(batch, record)
				if len(batch) < 100 && record.Offset+1 < claim.HighWaterMarkOffset() {
					continue
				}
			case <-session.Context().Done():
				return nil
			}
			lock.Lock()
			for done := false; !done; {
				turn++
				if err := producer.BeginTxn(); err != nil {
					lock.Unlock()
					return err
				}
				for _, record := range batch {
					value := bytes.ToUpper(record.Value)
					producer.Input() <- &sarama.ProducerMessage{Topic: output, Key: sarama.ByteEncoder(record.Key), Value: sarama.ByteEncoder(value)}
				}
				if turn%3 == 0 {
					if err := producer.AbortTxn(); err != nil {
						lock.Unlock()
						return err
					}
					out.Aborted++
					continue
				}
				if err := producer.AddMessageToTxn(batch[len(batch)-1], group, nil); err != nil {
					lock.Unlock()
					return err
				}
				if err := producer.CommitTxn(); err != nil {
					lock.Unlock()
					return err
				}
				done = true
			}
			out.Committed += len(batch)
			finished := out.Committed >= count
			lock.Unlock()
			batch = batch[:0]
			if finished {
				cancel()
				return nil
			}
		}
	}
	if err := one.consume(ctx, bootstrap, group, input); err != nil {
		return out, err
	}
	if out.Committed < count {
		return out, fmt.Errorf("after 60 s: %d of %d records", out.Committed, count)
	}
	return out, nil
}
