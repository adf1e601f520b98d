"""What must hold while processes are killed, compete and fail: real processes, real HTTP, the server's own count."""
