// SPDX-License-Identifier: BSD-3-Clause

import java.security.cert.X509Certificate;
import java.util.List;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

/** A TLS client with JSSE: java JavaClient.java ADDRESS PORT */
class JavaClient {
	public static void main(String[] a) throws Exception {
		TrustManager any = new X509TrustManager() {
			public void checkClientTrusted(X509Certificate[] c, String t) {}

			public void checkServerTrusted(X509Certificate[] c, String t) {}

			public X509Certificate[] getAcceptedIssuers() {
				return new X509Certificate[0];
			}
		};
		SSLContext context = SSLContext.getInstance("TLS");
		context.init(null, new TrustManager[] {any}, null);
		SSLSocket s = (SSLSocket) context.getSocketFactory().createSocket(a[0], Integer.parseInt(a[1]));
		SSLParameters p = s.getSSLParameters();
		p.setServerNames(List.of(new SNIHostName("www.example.com")));
		s.setSSLParameters(p);
		s.startHandshake();
		s.close();
	}
}
