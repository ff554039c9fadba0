# Google's own client against the stand-in: URL TOKEN_URL CLIENT SECRET REFRESH_TOKEN FOLDER_OF_FILES.
import io
import json
import os
import sys

import googleapiclient
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaFileUpload, MediaIoBaseDownload

url, token_url, client, secret, refresh, scratch = sys.argv[1:]
document = os.path.join(os.path.dirname(googleapiclient.__file__), "discovery_cache/documents/drive.v3.json")
document = json.load(open(document))
# Only the address is another one.
document["rootUrl"], document["baseUrl"] = url + "/", url + "/drive/v3/"
document.pop("mtlsRootUrl", None)
credentials = Credentials(None, refresh_token=refresh, token_uri=token_url, client_id=client, client_secret=secret)
drive = build_from_document(document, credentials=credentials)

kind = "application/vnd.google-apps.folder"
folder = drive.files().create(body={"name": "Tests", "mimeType": kind}, fields="id").execute()["id"]
found = drive.files().list(q=f"mimeType='{kind}' and name = 'Tests' and trashed = false", fields="files(id)").execute()
assert found["files"] == [{"id": folder}], found

path = os.path.join(scratch, "bytes")
content = os.urandom(3 * 1024 * 1024 + 17)
open(path, "wb").write(content)
[known] = drive.files().generateIds(count=1, space="drive", type="files").execute()["ids"]
body = {"id": known, "name": "x.bin", "parents": [folder], "appProperties": {"recoup_key": "k", "other": "it's"}}
media = MediaFileUpload(path, mimetype="application/octet-stream", chunksize=1024 * 1024, resumable=True)
fields = "id,name,size,sha256Checksum,webViewLink,appProperties,parents"
request = drive.files().create(body=body, media_body=media, fields=fields, supportsAllDrives=True)
steps, made = 0, None
while made is None:
    status, made = request.next_chunk()
    steps += 1
assert steps == 4, steps
import hashlib
assert made["id"] == known and made["size"] == str(len(content)), made
assert made["sha256Checksum"] == hashlib.sha256(content).hexdigest(), made
assert made["appProperties"]["other"] == "it's" and made["parents"] == [folder], made

empty = os.path.join(scratch, "empty")
open(empty, "wb").close()
media = MediaFileUpload(empty, mimetype="text/plain", resumable=True)
nothing = drive.files().create(body={"name": "empty", "parents": [folder]}, media_body=media, fields="id,size").execute()
assert nothing["size"] == "0", nothing

into = io.BytesIO()
download = MediaIoBaseDownload(into, drive.files().get_media(fileId=known), chunksize=700_001)
done = False
while not done:
    _, done = download.next_chunk()
assert into.getvalue() == content

# Pages.
names, token = [], None
while True:
    page = drive.files().list(q=f"'{folder}' in parents", pageSize=1, pageToken=token, fields="nextPageToken,files(name)").execute()
    names += [file["name"] for file in page["files"]]
    token = page.get("nextPageToken")
    if not token:
        break
assert sorted(names) == ["empty", "x.bin"], names
query = "appProperties has { key='other' and value='it\\'s' } and trashed = false"
assert [f["id"] for f in drive.files().list(q=query, fields="files(id)").execute()["files"]] == [known]
assert int(drive.about().get(fields="storageQuota").execute()["storageQuota"]["usage"]) == len(content)

drive.files().delete(fileId=known).execute()


def refused(request):
    try:
        request.execute()
    except HttpError as error:
        return error.resp.status, error.error_details[0]["reason"]
    raise AssertionError("not refused")


assert refused(drive.files().get(fileId=known)) == (404, "notFound")
assert refused(drive.about().get()) == (400, "required")
assert refused(drive.files().list(q="nonsense")) == (400, "invalidParameter")
print("all is well")
