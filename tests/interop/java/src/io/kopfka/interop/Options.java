package io.kopfka.interop;

import java.util.HashMap;
import java.util.Map;
import java.util.Properties;

/** Command lines of the form {@code --name value ... --set client.property=value ...}. */
final class Options {
    private final Map<String, String> values = new HashMap<>();
    private final Properties client = new Properties();

    Options(String[] args) {
        for (int i = 0; i < args.length; i += 2) {
            if (!args[i].startsWith("--") || i + 1 == args.length) {
                throw new IllegalArgumentException("expected --name value, got " + args[i]);
            }
            if (args[i].equals("--set")) {
                String[] pair = args[i + 1].split("=", 2);
                client.put(pair[0], pair[1]);
            } else {
                values.put(args[i].substring(2), args[i + 1]);
            }
        }
    }

    String get(String name) {
        String value = values.get(name);
        if (value == null) {
            throw new IllegalArgumentException("--" + name + " is missing");
        }
        return value;
    }

    String get(String name, String otherwise) {
        return values.getOrDefault(name, otherwise);
    }

    long number(String name, long otherwise) {
        return values.containsKey(name) ? Long.parseLong(values.get(name)) : otherwise;
    }

    /** Client properties: those given with --set over the defaults given here as name, value, name, value... */
    Properties client(Object... defaults) {
        Properties all = new Properties();
        for (int i = 0; i < defaults.length; i += 2) {
            all.put(defaults[i], String.valueOf(defaults[i + 1]));
        }
        all.putAll(client);
        return all;
    }
}
