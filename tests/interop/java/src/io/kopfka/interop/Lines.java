package io.kopfka.interop;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;

/**
 * The file form in which tests hand keys and values to these programs and get them back (support/corpus.py reads and
 * writes the same): each a 32-bit big-endian length and its bytes, length -1 for null.
 */
final class Lines {
    private Lines() {}

    /** Reads one byte string into {@code holder[0]}; false at the end of the file. */
    static boolean read(DataInputStream in, byte[][] holder) throws IOException {
        int length;
        try {
            length = in.readInt();
        } catch (EOFException end) {
            return false;
        }
        holder[0] = length < 0 ? null : in.readNBytes(length);
        return true;
    }

    static void write(DataOutputStream out, byte[] bytes) throws IOException {
        out.writeInt(bytes == null ? -1 : bytes.length);
        if (bytes != null) {
            out.write(bytes);
        }
    }
}
