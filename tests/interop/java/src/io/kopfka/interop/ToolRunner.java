package io.kopfka.interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.kafka.common.utils.Exit;
import org.slf4j.LoggerFactory;

/**
 * Runs the mains of Apache Kafka's tools one after the other in this JVM.
 *
 * <p>Reads a JSON object a line: {@code {"main": class, "args": [...], "stdin": text}}, and answers each with one line:
 * {@code {"exit": code, "out": text, "err": text}}. A tool that calls Kafka's {@code Exit} ends its call, not the JVM; its
 * shutdown hooks run at the end of its call; an exception out of main is exit code 1 with its stack trace in "err", as the
 * java command would have it.
 */
public final class ToolRunner {
    /** Unwinds a tool that called Exit; some tools catch it and call Exit again, so only the first call counts. */
    private static final class Ended extends RuntimeException {
        Ended() {
            super(null, null, false, false);
        }
    }

    private static final List<Runnable> hooks = new CopyOnWriteArrayList<>();
    private static volatile Integer exitCode;

    private ToolRunner() {}

    public static void main(String[] ignored) throws Exception {
        ObjectMapper json = new ObjectMapper();
        PrintStream answers = System.out;
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        LoggerFactory.getLogger(ToolRunner.class); // logging binds to the real standard error before it is replaced
        Exit.setExitProcedure(ToolRunner::end);
        Exit.setHaltProcedure(ToolRunner::end);
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            answers.println(json.writeValueAsString(call(json, json.readTree(line))));
            answers.flush();
        }
    }

    private static void end(int code, String message) {
        if (exitCode == null) {
            if (message != null) {
                System.err.println(message);
            }
            exitCode = code;
            System.out.flush();
            // what a tool would print after its end, it would not have printed
            PrintStream nowhere = new PrintStream(OutputStream.nullOutputStream());
            System.setOut(nowhere);
            System.setErr(nowhere);
        }
        throw new Ended();
    }

    private static ObjectNode call(ObjectMapper json, JsonNode request) {
        List<String> args = new ArrayList<>();
        request.get("args").forEach(arg -> args.add(arg.asText()));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        PrintStream realOut = System.out;
        PrintStream realErr = System.err;
        exitCode = null;
        System.setIn(new ByteArrayInputStream(request.get("stdin").asText().getBytes(StandardCharsets.UTF_8)));
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        int code;
        try {
            code = invoke(request.get("main").asText(), args.toArray(String[]::new));
            hooks.forEach(Runnable::run); // ConsoleProducer sends its last records in one
        } finally {
            hooks.clear();
            System.out.flush();
            System.setOut(realOut);
            System.setErr(realErr);
        }
        ObjectNode answer = json.createObjectNode();
        answer.put("exit", code);
        answer.put("out", out.toString(StandardCharsets.UTF_8));
        answer.put("err", err.toString(StandardCharsets.UTF_8));
        return answer;
    }

    private static int invoke(String main, String[] args) {
        try {
            Class.forName(main).getMethod("main", String[].class).invoke(null, (Object) args);
            return exitCode == null ? 0 : exitCode;
        } catch (InvocationTargetException thrown) {
            if (exitCode != null) {
                return exitCode;
            }
            thrown.getCause().printStackTrace();
            return 1;
        } catch (ReflectiveOperationException error) {
            error.printStackTrace();
            return 1;
        }
    }
}
