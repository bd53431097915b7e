// Command registry drives franz-go's client of schema registries for the tests: one JSON object a line comes in, one
// goes out.
//
//	{"methods": true}
//	{"url": URL, "call": METHOD, "with": [ARGUMENT…], "params": {NAME: VALUE}, "context": NAME}
//	{"encode": DATA, "id": ID, "index": [NUMBER…]}
//	{"decode": BASE64, "id": ID, "index": [NUMBER…]}
//
// Methods of sr.Client are called by name, their arguments made of JSON. encode and decode use sr.Serde with Go's JSON
// for data, or with bytes as they are ({"base64": TEXT}). The answer is {"ok": RESULT} or {"error": {…}}.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"
)

type question struct {
	URL     string            `json:"url"`
	Methods bool              `json:"methods"`
	Call    string            `json:"call"`
	With    []json.RawMessage `json:"with"`
	Params  map[string]any    `json:"params"`
	Context string            `json:"context"`
	Encode  json.RawMessage   `json:"encode"`
	Decode  *packed           `json:"decode"`
	ID      int               `json:"id"`
	Index   []int             `json:"index"`
}

type packed struct {
	Base64 string `json:"base64"`
}

var params = map[string]func(any) sr.Param{
	"normalize":       func(any) sr.Param { return sr.Normalize },
	"verbose":         func(any) sr.Param { return sr.Verbose },
	"fetchMaxId":      func(any) sr.Param { return sr.FetchMaxID },
	"defaultToGlobal": func(any) sr.Param { return sr.DefaultToGlobal },
	"force":           func(any) sr.Param { return sr.Force },
	"latestOnly":      func(any) sr.Param { return sr.LatestOnly },
	"deleted":         func(any) sr.Param { return sr.ShowDeleted },
	"deletedOnly":     func(any) sr.Param { return sr.DeletedOnly },
	"format":          func(value any) sr.Param { return sr.Format(value.(string)) },
	"subjectPrefix":   func(value any) sr.Param { return sr.SubjectPrefix(value.(string)) },
	"subject":         func(value any) sr.Param { return sr.Subject(value.(string)) },
	"contextPrefix":   func(value any) sr.Param { return sr.ContextPrefix(value.(string)) },
	"offset":          func(value any) sr.Param { return sr.Offset(int(value.(float64))) },
	"limit":           func(value any) sr.Param { return sr.Limit(int(value.(float64))) },
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 10_000_000)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		err := json.Unmarshal(lines.Bytes(), &asked)
		var result any
		if err == nil {
			result, err = answer(asked)
		}
		if err != nil {
			err = out.Encode(map[string]any{"error": told(err)})
		} else if text, lacking := json.Marshal(result); lacking == nil {
			err = out.Encode(map[string]any{"ok": json.RawMessage(text)})
		} else { // a level that an answer does not name has no text
			err = out.Encode(map[string]any{"ok": fmt.Sprintf("%+v", result)})
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func answer(asked question) (any, error) {
	switch {
	case asked.Methods:
		kind := reflect.TypeFor[*sr.Client]()
		names := make([]string, kind.NumMethod())
		for number := range names {
			names[number] = kind.Method(number).Name
		}
		return names, nil
	case asked.Encode != nil:
		return encoded(asked)
	case asked.Decode != nil:
		return decoded(asked)
	}
	client, err := sr.NewClient(sr.URLs(strings.Split(asked.URL, ",")...))
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if asked.Context != "" {
		ctx = sr.InContext(ctx, asked.Context)
	}
	var given []sr.Param
	for name, value := range asked.Params {
		given = append(given, params[name](value))
	}
	ctx = sr.WithParams(ctx, given...)
	return call(client, ctx, asked)
}

// call calls a method of the client; what one of several results says of an error is the error.
func call(client *sr.Client, ctx context.Context, asked question) (any, error) {
	method := reflect.ValueOf(client).MethodByName(asked.Call)
	if !method.IsValid() {
		return nil, fmt.Errorf("there is no method %s", asked.Call)
	}
	arguments := []reflect.Value{reflect.ValueOf(ctx)}
	for number, text := range asked.With {
		kind := method.Type().In(min(number+1, method.Type().NumIn()-1))
		if method.Type().IsVariadic() && number+1 >= method.Type().NumIn()-1 {
			kind = kind.Elem()
		}
		value := reflect.New(kind)
		if err := json.Unmarshal(text, value.Interface()); err != nil {
			return nil, err
		}
		arguments = append(arguments, value.Elem())
	}
	results := method.Call(arguments)
	last := results[len(results)-1]
	if err, ok := last.Interface().(error); ok && err != nil {
		return nil, err
	}
	if len(results) == 1 && last.Kind() == reflect.Interface {
		return nil, nil
	}
	if results[0].Kind() == reflect.Slice {
		for number := range results[0].Len() {
			if each := results[0].Index(number); each.Kind() == reflect.Struct {
				if field := each.FieldByName("Err"); field.IsValid() && !field.IsNil() {
					return nil, field.Interface().(error)
				}
			}
		}
	}
	return results[0].Interface(), nil
}

func encoded(asked question) (any, error) {
	var serde sr.Serde
	var bytes packed
	if json.Unmarshal(asked.Encode, &bytes) == nil && bytes.Base64 != "" {
		raw, err := base64.StdEncoding.DecodeString(bytes.Base64)
		if err != nil {
			return nil, err
		}
		serde.Register(asked.ID, raw, sr.EncodeFn(func(value any) ([]byte, error) { return value.([]byte), nil }), sr.Index(asked.Index...))
		made, err := serde.Encode(raw)
		return packed{base64.StdEncoding.EncodeToString(made)}, err
	}
	serde.Register(asked.ID, map[string]any{}, sr.EncodeFn(json.Marshal))
	var data map[string]any
	if err := json.Unmarshal(asked.Encode, &data); err != nil {
		return nil, err
	}
	made, err := serde.Encode(data)
	return packed{base64.StdEncoding.EncodeToString(made)}, err
}

func decoded(asked question) (any, error) {
	raw, err := base64.StdEncoding.DecodeString(asked.Decode.Base64)
	if err != nil {
		return nil, err
	}
	var serde sr.Serde
	id, rest, err := serde.DecodeID(raw)
	if err != nil {
		return nil, err
	}
	if asked.Index != nil {
		index, rest, err := serde.DecodeIndex(rest, 10)
		return map[string]any{"id": id, "index": index, "data": packed{base64.StdEncoding.EncodeToString(rest)}}, err
	}
	var data map[string]any
	serde.Register(id, map[string]any{}, sr.DecodeFn(json.Unmarshal))
	if err := serde.Decode(raw, &data); err != nil {
		return map[string]any{"id": id, "data": packed{base64.StdEncoding.EncodeToString(rest)}}, nil
	}
	return map[string]any{"id": id, "data": data}, nil
}

func told(err error) map[string]any {
	said := map[string]any{"message": err.Error(), "name": fmt.Sprintf("%T", err)}
	var answered *sr.ResponseError
	if errors.As(err, &answered) {
		said["status"], said["code"] = answered.StatusCode, answered.ErrorCode
		if known := answered.SchemaError(); known != nil {
			said["name"] = known.Name
		}
	}
	return said
}
