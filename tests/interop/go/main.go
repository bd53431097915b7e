// Command interop drives Go's Kafka clients for the tests.
//
//	interop CLIENT smoke BOOTSTRAP TOPIC GROUP COUNT CODEC
//	interop CLIENT copy BOOTSTRAP INPUT OUTPUT GROUP COUNT
//
// CLIENT is franz-go or sarama. The topics must exist.
//
// smoke produces COUNT records idempotently with acks=all and the codec given, reads them with two members of the group
// that commit what they read, and prints one JSON object: how many records were acknowledged and read, whether any came
// twice or changed, how many each member read, and the committed offsets' sum.
//
// copy reads COUNT records, and writes their values in upper case to the output, in transactions that commit the offsets
// of what they read. Every third one is aborted, and what it read is read again. It prints how many records were
// committed, and how many transactions were aborted.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
)

type result struct {
	Acknowledged int   `json:"acknowledged"`
	Read         int   `json:"read"`
	Twice        int   `json:"twice"`
	Changed      int   `json:"changed"`
	Members      []int `json:"members"`
	Committed    int64 `json:"committed"`
}

type copied struct {
	Committed int `json:"committed"`
	Aborted   int `json:"aborted"`
}

type client struct {
	smoke func(bootstrap, topic, group string, count int, codec string) (result, error)
	copy  func(bootstrap, input, output, group string, count int) (copied, error)
}

var clients = map[string]client{
	"franz-go": {franzSmoke, franzCopy},
	"sarama":   {saramaSmoke, saramaCopy},
}

func main() {
	if len(os.Args) != 8 {
		fmt.Fprintln(os.Stderr, "usage: interop CLIENT smoke BOOTSTRAP TOPIC GROUP COUNT CODEC | CLIENT copy BOOTSTRAP INPUT OUTPUT GROUP COUNT")
		os.Exit(2)
	}
	out, err := run(clients[os.Args[1]], os.Args[2], os.Args[3:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(with client, what string, args []string) (any, error) {
	if what == "smoke" {
		count, err := strconv.Atoi(args[3])
		if err != nil {
			return nil, err
		}
		return with.smoke(args[0], args[1], args[2], count, args[4])
	}
	count, err := strconv.Atoi(args[4])
	if err != nil {
		return nil, err
	}
	return with.copy(args[0], args[1], args[2], args[3], count)
}
